"""The engines that write signatures into PDF files, behind one interface (`pdf_engine` in the configuration).

`OwnEngine` appends bytes to a file of a known form (`hub.documents.pades`). A step that this form does not allow is
done by `PyhankoEngine`, as a whole. Both write ordinary incremental updates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from hub.documents.computing import compute
from hub.documents.pades.plan import CannotUpdate

if TYPE_CHECKING:  # imported when the first file is written, because a worker that only reminds writes none
    from hub.documents.pades.writer import RevisionWriter
    from hub.documents.signing.signature import (
        Evidence,
        FieldBox,
        NewSignature,
        Prepared,
        ReservedTimestamp,
        TimestampSource,
    )

OWN: Final = "own"
PYHANKO: Final = "pyhanko"
# How many plans of files one process keeps. A plan has a few KB, and a worker returns to a file within seconds.
MAX_PLANS_KEPT: Final = 128

log = structlog.get_logger()


class PdfEngine(Protocol):
    """The steps that write into a file. All of them compute for milliseconds and do no I/O.

    The result begins with the bytes of the given file. Each step raises WrongDocument if the file cannot be signed in
    this way.
    """

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        """Return the document with empty signature fields. It gets a random /ID, so do this once and store the result.

        All fields must exist before the first person signs: a certification signature allows fields to be filled in,
        not to be added (ISO 32000-2, 12.8.2.2). The seal's field locks everything.
        """
        ...

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        """Return the document with the place for a signature. `chain`: certificates in DER, the signer's first."""
        ...

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        """Return the file with the evidence that is needed to validate the signature in `field` years later."""
        ...

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        """Return the file with evidence for its last signature and the place for a document timestamp.

        One revision holds both, because the seal allows no other change.
        """
        ...


def make_engine(kind: str, clock: Callable[[], datetime]) -> PdfEngine:
    """Return the engine of this kind: OWN or PYHANKO."""
    return OwnEngine(clock) if kind == OWN else PyhankoEngine()


async def close_file(engine: PdfEngine, sealed: bytes, timestamps: TimestampSource, evidence: Evidence) -> bytes:
    """Return the finished file: with evidence for the last signature, and a document timestamp over the whole file.

    Source: PAdES B-LTA, ETSI EN 319 142-1, 5.4 and 6.3. Raises TimestampUnavailable, WrongDocument.
    """
    from hub.documents.signing.signature import filled

    reserved = await compute(sealed, partial(engine.reserve_timestamp, sealed, evidence))
    return filled(reserved.file, reserved.gap, await timestamps.timestamp(reserved.document_digest))


class PyhankoEngine:
    """The engine that does every step with pyHanko."""

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        from hub.documents.signing import with_pyhanko

        return with_pyhanko.with_signature_fields(pdf, boxes)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        from hub.documents.signing import with_pyhanko

        return with_pyhanko.prepare(document, signature, chain)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        from hub.documents.signing import with_pyhanko

        return with_pyhanko.with_validation_data(signed, field, evidence)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        from hub.documents.signing import with_pyhanko

        return with_pyhanko.reserve_timestamp(sealed, evidence)


class OwnEngine:
    """Our own writer, which is loaded when the first file is written. `clock`: for the signing time that the file
    claims. `plans_kept`: for this many of the files that it wrote, the next step need not read the file again."""

    def __init__(
        self, clock: Callable[[], datetime], general: PdfEngine | None = None, plans_kept: int = MAX_PLANS_KEPT
    ) -> None:
        self._clock = clock
        self._general = general or PyhankoEngine()
        self._plans_kept = plans_kept

    @cached_property
    def writer(self) -> RevisionWriter:
        from hub.documents.pades.writer import RevisionWriter

        return RevisionWriter(self._clock, self._plans_kept)

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        try:
            return self.writer.with_signature_fields(pdf, boxes)
        except CannotUpdate as reason:
            _note_general_way("fields", reason)
            return self._general.with_signature_fields(pdf, boxes)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        try:
            return self.writer.prepare(document, signature, chain)
        except CannotUpdate as reason:
            _note_general_way("prepare", reason)
            return self._general.prepare(document, signature, chain)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        try:
            return self.writer.with_validation_data(signed, field, evidence)
        except CannotUpdate as reason:
            _note_general_way("evidence", reason)
            return self._general.with_validation_data(signed, field, evidence)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        try:
            return self.writer.reserve_timestamp(sealed, evidence)
        except CannotUpdate as reason:
            _note_general_way("close", reason)
            return self._general.reserve_timestamp(sealed, evidence)


def _note_general_way(step: str, reason: Exception) -> None:
    log.info("pdf engine: general way", step=step, reason=str(reason))
