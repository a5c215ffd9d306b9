"""The engines that write signatures into PDF files, behind one interface (`pdf_engine` in the configuration).

`OwnEngine` appends bytes to a file of a known form (`hub.documents.pades`). A step that this form does not allow is
done by `PyhankoEngine`, as a whole. Both write ordinary incremental updates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

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

Result = TypeVar("Result")
log = structlog.get_logger()


class PdfEngine(Protocol):
    """The steps that write into a file. Each takes milliseconds of CPU time and does no I/O.

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

    @cached_property
    def _steps(self) -> PdfEngine:
        from hub.documents.signing import with_pyhanko

        return with_pyhanko

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        return self._steps.with_signature_fields(pdf, boxes)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        return self._steps.prepare(document, signature, chain)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        return self._steps.with_validation_data(signed, field, evidence)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        return self._steps.reserve_timestamp(sealed, evidence)


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
        return self._write("fields", lambda engine: engine.with_signature_fields(pdf, boxes))

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        return self._write("prepare", lambda engine: engine.prepare(document, signature, chain))

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        return self._write("evidence", lambda engine: engine.with_validation_data(signed, field, evidence))

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        return self._write("close", lambda engine: engine.reserve_timestamp(sealed, evidence))

    def _write(self, name: str, step: Callable[[PdfEngine], Result]) -> Result:
        """Do a step with our own writer or, if the file's form does not allow it, with pyHanko."""
        try:
            return step(self.writer)
        except CannotUpdate as reason:
            log.info("pdf engine: general way", step=name, reason=str(reason))
            return step(self._general)
