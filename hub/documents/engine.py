"""The engines that write signatures into PDF files, behind one interface (`pdf_engine` in the configuration).

`OwnEngine` appends bytes to a file of a known form (`hub.documents.pades`). Only a step that does not fit that profile
is done by `PyhankoEngine`, and then completely. Both write ordinary incremental updates.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

import structlog

if TYPE_CHECKING:  # loaded when the first file is written: a worker that reminds writes none
    from hub.documents.pades.known_files import HashedFile, KnownFiles
    from hub.documents.pades.source import Plan
    from hub.documents.signature import Evidence, FieldBox, NewSignature, Prepared, ReservedTimestamp, TimestampSource

OWN: Final = "own"
PYHANKO: Final = "pyhanko"
# Plans of files that one process keeps. Each has a few KB, and a worker comes back to a file within seconds.
MAX_PLANS_KEPT: Final = 128

log = structlog.get_logger()


class PdfEngine(Protocol):
    """The steps that write into a file. All of them compute for milliseconds and wait for nothing.

    The result begins with the bytes of the given file. Each step raises WrongDocument if the file cannot be signed in
    this way.
    """

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        """Return the document with empty signature fields. It gets a random /ID: do this once and store the result.

        All fields must exist before anybody signs, since a certification signature allows fields to be filled in, not
        added (ISO 32000-2, 12.8.2.2). The seal's field locks everything.
        """
        ...

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        """Return the document with the place of a signature. `chain`: certificates in DER, the signer's first."""
        ...

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        """Return the file with the evidence that is needed to validate the signature in `field` years later."""
        ...

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        """Return the file with evidence for its last signature and the place of a document timestamp.

        One revision holds both, since the seal allows no other change.
        """
        ...


def make_engine(kind: str, clock: Callable[[], datetime]) -> PdfEngine:
    """Return the engine of this kind: OWN or PYHANKO."""
    return OwnEngine(clock) if kind == OWN else PyhankoEngine()


async def close_file(engine: PdfEngine, sealed: bytes, timestamps: TimestampSource, evidence: Evidence) -> bytes:
    """Return the finished file: with evidence for the last signature, and a document timestamp over everything.

    Source: PAdES B-LTA, ETSI EN 319 142-1, 5.4 and 6.3. Raises TimestampUnavailable, WrongDocument.
    """
    from hub.documents.signature import filled

    reserved = await asyncio.to_thread(engine.reserve_timestamp, sealed, evidence)
    return filled(reserved.file, reserved.gap, await timestamps.timestamp(reserved.document_digest))


class PyhankoEngine:
    """The engine that does every step by pyHanko."""

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        from hub.documents import with_pyhanko

        return with_pyhanko.with_signature_fields(pdf, boxes)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        from hub.documents import with_pyhanko

        return with_pyhanko.prepare(document, signature, chain)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        from hub.documents import with_pyhanko

        return with_pyhanko.with_validation_data(signed, field, evidence)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        from hub.documents import with_pyhanko

        return with_pyhanko.reserve_timestamp(sealed, evidence)


class OwnEngine:
    """Our own writer. `clock`: for the signing time that a file claims; `plans_kept`: so many files that it wrote need
    not be read again for the next step."""

    def __init__(
        self, clock: Callable[[], datetime], general: PdfEngine | None = None, plans_kept: int = MAX_PLANS_KEPT
    ) -> None:
        self._clock = clock
        self._general = general or PyhankoEngine()
        self._plans_kept = plans_kept

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        from hub.documents.pades.source import CannotUpdate, read_plan
        from hub.documents.pades.steps import add_fields

        try:
            appended, plan = add_fields(read_plan(pdf, {box.page for box in boxes}), boxes)
        except CannotUpdate as reason:
            _note_general_way("fields", reason)
            return self._general.with_signature_fields(pdf, boxes)
        return self._remembered(pdf + appended, plan)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        from hub.documents.pades.source import CannotUpdate

        try:
            return self._prepare(document, self._hashed(document), signature, chain)
        except CannotUpdate as reason:
            _note_general_way("prepare", reason)
            return self._general.prepare(document, signature, chain)

    def prepare_with_plan(
        self, document: bytes, plan: Plan, signature: NewSignature, chain: Sequence[bytes]
    ) -> Prepared:
        """Do as `prepare` does, for a file whose plan is known. Raises CannotUpdate for what does not fit."""
        from hub.documents.pades.known_files import HashedFile

        return self._prepare(document, HashedFile(hashlib.sha256(document), plan), signature, chain)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        from hub.documents.pades.source import CannotUpdate
        from hub.documents.pades.steps import add_evidence

        try:
            appended, plan = add_evidence(self._hashed(signed).plan, field, evidence)
        except CannotUpdate as reason:
            _note_general_way("evidence", reason)
            return self._general.with_validation_data(signed, field, evidence)
        return self._remembered(signed + appended, plan)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        from hub.documents.pades.source import CannotUpdate
        from hub.documents.pades.steps import reserve_timestamp
        from hub.documents.signature import ReservedTimestamp

        try:
            hashed = self._hashed(sealed)
            reserved = reserve_timestamp(hashed.state, hashed.plan, evidence)
        except CannotUpdate as reason:
            _note_general_way("close", reason)
            return self._general.reserve_timestamp(sealed, evidence)
        return ReservedTimestamp(sealed + reserved.appended, reserved.gap, reserved.digest)

    def _prepare(
        self, document: bytes, hashed: HashedFile, signature: NewSignature, chain: Sequence[bytes]
    ) -> Prepared:
        from hub.documents.pades.cms import signer_template
        from hub.documents.pades.picture import Picture
        from hub.documents.pades.profile import check_chain, digits_for
        from hub.documents.pades.steps import SigningDetails, reserve_signature
        from hub.documents.signature import Prepared

        check_chain(tuple(chain))
        picture = Picture.read(signature.appearance) if signature.appearance is not None else None
        details = SigningDetails(self._clock(), picture, digits_for(chain))
        reserved = reserve_signature(hashed.state, hashed.plan, signature, details)
        to_be_signed = signer_template(tuple(chain)).attributes_to_sign(reserved.digest)
        file = document + reserved.appended
        self._known_files.remember_reserved(file, reserved)
        return Prepared(file, reserved.gap, reserved.digest, to_be_signed)

    def _hashed(self, document: bytes) -> HashedFile:
        """Return the file's hash and its plan, which is read where it is not known. Raises CannotUpdate."""
        from hub.documents.pades.known_files import HashedFile
        from hub.documents.pades.source import read_plan

        state, plan = self._known_files.look_up(document)
        return HashedFile(state, plan or read_plan(document))

    def _remembered(self, file: bytes, plan: Plan) -> bytes:
        self._known_files.remember(file, plan)
        return file

    @cached_property
    def _known_files(self) -> KnownFiles:
        from hub.documents.pades.known_files import KnownFiles

        return KnownFiles(self._plans_kept)


def _note_general_way(step: str, reason: Exception) -> None:
    log.info("pdf engine: general way", step=step, reason=str(reason))
