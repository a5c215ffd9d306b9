"""Append the revisions in a contract's life to its file, and remember the plan of the written file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from hub.documents.pades.cms import signer_template
from hub.documents.pades.known_files import HashedFile, KnownFiles
from hub.documents.pades.picture import Picture
from hub.documents.pades.plan import Plan
from hub.documents.pades.profile import digits_for
from hub.documents.pades.source import read_plan
from hub.documents.pades.steps import SigningDetails, add_evidence, add_fields, reserve_signature, reserve_timestamp
from hub.documents.signing.signature import Evidence, FieldBox, NewSignature, Prepared, ReservedTimestamp


class RevisionWriter:
    """The steps of `hub.documents.signing.engine.PdfEngine`. Each raises CannotUpdate if the file or the keys do not
    fit the profile.

    `plans_kept`: for this many of the files that it wrote, the next step need not read the file again.
    """

    def __init__(self, clock: Callable[[], datetime], plans_kept: int) -> None:
        self._clock = clock
        self.known_files = KnownFiles(plans_kept)

    def with_signature_fields(self, pdf: bytes, boxes: Sequence[FieldBox]) -> bytes:
        appended, plan = add_fields(read_plan(pdf, {box.page for box in boxes}), boxes)
        return self._remembered(pdf + appended, plan)

    def prepare(self, document: bytes, signature: NewSignature, chain: Sequence[bytes]) -> Prepared:
        hashed, chain = self._hashed(document), tuple(chain)
        digits = digits_for(chain)
        picture = Picture.read(signature.appearance) if signature.appearance is not None else None
        details = SigningDetails(self._clock(), picture, digits)
        reserved = reserve_signature(hashed.state, hashed.plan, signature, details)
        to_be_signed = signer_template(chain).attributes_to_sign(reserved.digest)
        file = document + reserved.appended
        self.known_files.remember_reserved(file, reserved)
        return Prepared(file, reserved.gap, reserved.digest, to_be_signed)

    def with_validation_data(self, signed: bytes, field: str, evidence: Evidence) -> bytes:
        appended, plan = add_evidence(self._hashed(signed).plan, field, evidence)
        return self._remembered(signed + appended, plan)

    def reserve_timestamp(self, sealed: bytes, evidence: Evidence) -> ReservedTimestamp:
        hashed = self._hashed(sealed)
        reserved = reserve_timestamp(hashed.state, hashed.plan, evidence)
        return ReservedTimestamp(sealed + reserved.appended, reserved.gap, reserved.digest)

    def _hashed(self, document: bytes) -> HashedFile:
        """Return the file's hash and its plan. The plan is read from the file if it is not known."""
        state, plan = self.known_files.look_up(document)
        return HashedFile(state, plan or read_plan(document))

    def _remembered(self, file: bytes, plan: Plan) -> bytes:
        self.known_files.remember(file, plan)
        return file
