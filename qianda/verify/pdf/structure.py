"""Make our own quick check of a finished contract: its signatures, what they cover, and whether they are valid.

It does not check trust (`qianda.verify.pdf.ades` does). The hub runs it on every contract before marking the contract
completed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from qianda.confirmation import CheckedConfirmation
from qianda.pdf import NotOurForm, TooComplex
from qianda.verify import reasons
from qianda.verify.cms_check import (
    BadCmsSignature,
    CheckedCms,
    CheckedTimestamp,
    check_detached,
    check_timestamp,
    confirmation,
    signature_timestamp,
)
from qianda.verify.findings import Element, Finding, Reason, UnreadablePdf
from qianda.verify.pdf.active_content import find_active
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.foreign import foreign_reason
from qianda.verify.pdf.pages import page_widgets
from qianda.verify.pdf.revisions import find_changes
from qianda.verify.pdf.signed_file import FieldSignature, SignedFile, text_of

SEAL_FIELD = "seal"
# How far the clocks of two timestamp services may differ.
CLOCK_DIFFERENCE: Final = timedelta(minutes=5)


@dataclass
class Structure:
    """The signatures of a file in their order, the content of each, and the findings."""

    file: SignedFile
    findings: list[Finding] = field(default_factory=list)
    signatures: dict[str, CheckedCms] = field(default_factory=dict)
    times: dict[str, CheckedTimestamp] = field(default_factory=dict)
    confirmed: dict[str, CheckedConfirmation] = field(default_factory=dict)

    @property
    def regular(self) -> list[FieldSignature]:
        return [signature for signature in self.file.signatures if not signature.is_timestamp]

    @property
    def archived_at(self) -> datetime | None:
        """Time of the document timestamp that closes the file, or None."""
        last = self.file.signatures[-1:]
        stamp = self.times.get(last[0].name) if last and last[0].is_timestamp else None
        return stamp.time if stamp else None

    @property
    def contradicted(self) -> set[str]:
        """Names of the fields whose timestamps contradict others: each timestamp covers all signatures before it, so it
        cannot be older than theirs."""
        stamped = [(each.name, self.times[each.name].time) for each in self.file.signatures if each.name in self.times]
        return {
            name
            for (first, earlier), (second, later) in combinations(stamped, 2)
            if earlier - later > CLOCK_DIFFERENCE
            for name in (first, second)
        }


def check_finished(pdf: bytes, expected_fields: Sequence[str]) -> list[Finding]:
    """Return the faults of a finished contract; an empty list means none.

    `expected_fields`: its signature fields, in any order, including the seal's. An unreadable file is one finding.
    Trust is not checked.
    """
    try:
        return examine(pdf, expected_fields).findings
    except UnreadablePdf as error:
        return [Finding(Element.TEXT, error.reason)]
    except NotOurForm as error:
        return [Finding(Element.TEXT, altered(error))]


def altered(error: NotOurForm) -> Reason:
    """Return the reason for a file that Qianda wrote and somebody altered."""
    reason = reasons.NOT_OUR_FORM_FROM if error.at else reasons.NOT_OUR_FORM
    return reason.about(at=error.at, what=error.what)


def examine(pdf: bytes, expected_fields: Sequence[str] | None = None) -> Structure:
    """Run all checks of this module. Raises UnreadablePdf, and NotOurForm for an altered file of Qianda."""
    try:
        structure = Structure(SignedFile(pdf))
        structure.findings += _fields(structure.file)
        structure.findings += _order(structure.file, expected_fields)
        structure.findings += _active_content(structure.file)
        for signature in structure.file.signatures:
            structure.findings += _range(structure.file, signature)
            structure.findings += _cryptography(structure, signature)
        structure.findings += _one_certificate_each(structure)
        structure.findings += [*_revisions(structure.file)] or _drawing(structure.file)
        return structure
    except UnreadablePdf:
        raise
    except NotOurForm:
        if reason := foreign_reason(pdf):
            raise UnreadablePdf(reason) from None
        raise
    except TooComplex:
        raise UnreadablePdf(foreign_reason(pdf) or reasons.TOO_COMPLEX) from None
    except Exception as error:  # a hostile file may break the parser anywhere, and that is an answer, not a crash
        raise UnreadablePdf(reasons.UNREADABLE) from error


def _fields(file: SignedFile) -> Iterator[Finding]:
    listed, fields = [number for number, _ in file.fields], [one for _, one in file.fields]
    names = [text_of(file.now.entry(one, "/T")) for one in fields]
    nested = any("/Kids" in one or "/Parent" in one or "/T" not in one for one in fields)
    doubled = len(set(listed)) != len(listed) or len(set(names)) != len(names)
    if nested or doubled or not page_widgets(file.now) <= set(listed):
        yield Finding(Element.TEXT, reasons.BAD_FIELDS)
    for name, one in zip(names, fields, strict=True):
        if file.now.entry(one, "/FT") != "/Sig":
            yield Finding(Element.TEXT, reasons.OTHER_FIELDS)
        elif "/V" not in one:
            yield Finding(Element.TEXT, reasons.UNSIGNED_FIELD.about(name=name), name)
    if file.pdf.count(b"/ByteRange") != len(file.signatures):
        yield Finding(Element.TEXT, reasons.HIDDEN_SIGNATURE)


def _order(file: SignedFile, expected: Sequence[str] | None) -> Iterator[Finding]:
    if not file.signatures:
        yield Finding(Element.TEXT, reasons.NO_SIGNATURES)
        return
    regular = [signature.name for signature in file.signatures if not signature.is_timestamp]
    if SEAL_FIELD not in regular:
        yield Finding(Element.TEXT, reasons.NO_SEAL)
    elif regular[-1] != SEAL_FIELD:
        yield Finding(Element.TEXT, reasons.SEAL_NOT_LAST)
    if not set(regular) - {SEAL_FIELD}:
        yield Finding(Element.TEXT, reasons.NO_SIGNER)
    if [signature.certifies for signature in file.signatures] != [True] + [False] * (len(file.signatures) - 1):
        yield Finding(Element.TEXT, reasons.NOT_CERTIFIED)
    if not file.signatures[-1].is_timestamp:
        yield Finding(Element.TIME, reasons.NO_ARCHIVE_TIME)
    if any(signature.is_timestamp for signature in file.signatures[: len(regular)]):
        yield Finding(Element.TIME, reasons.EARLY_ARCHIVE_TIME)
    if expected is not None and sorted(regular) != sorted(expected):
        yield Finding(Element.TEXT, reasons.UNEXPECTED_FIELDS.about(expected=_list(expected), found=_list(regular)))


def _active_content(file: SignedFile) -> Iterator[Finding]:
    if found := find_active(file.now):
        yield Finding(Element.TEXT, reasons.ACTIVE_CONTENT.about(what=", ".join(found)))


def _range(file: SignedFile, signature: FieldSignature) -> Iterator[Finding]:
    if not range_is_right(file, signature):
        yield Finding(Element.SIGNATURE, reasons.RANGE_WRONG, signature.name)
    elif signature is file.signatures[-1] and signature.is_timestamp and signature.end != len(file.pdf):
        yield Finding(Element.TEXT, reasons.NOT_TO_THE_END)


def range_is_right(file: SignedFile, signature: FieldSignature) -> bool:
    """Return whether the byte range is the whole file up to the end of the signature's own revision, except its value
    in `<…>`."""
    if len(signature.byte_range) != 4:
        return False
    start, gap_at, resume_at, _ = signature.byte_range
    ends = file.revisions[signature.revision].end
    return start == 0 and (gap_at, resume_at) == signature.gap and signature.end == ends


def _cryptography(structure: Structure, signature: FieldSignature) -> Iterator[Finding]:
    def digest(algorithm: str) -> bytes:
        _, gap_at, resume_at, _ = signature.byte_range
        view = memoryview(structure.file.pdf)
        hashed = hashlib.new(algorithm, view[:gap_at])
        hashed.update(view[resume_at : signature.end])
        return hashed.digest()

    element = Element.TIME if signature.is_timestamp else Element.SIGNATURE
    try:
        if signature.is_timestamp:
            stamp = structure.times[signature.name] = check_timestamp(signature.contents, digest)
        else:
            checked = structure.signatures[signature.name] = check_detached(signature.contents, digest)
            yield from _confirmed(structure, signature.name, checked)
            element = Element.TIME
            stamp = structure.times[signature.name] = signature_timestamp(checked)
            yield from _alive(signature.name, checked, stamp)
        if not stamp.was_alive:
            raise BadCmsSignature(reasons.TIME_UNTRUSTED)
    except BadCmsSignature as wrong:
        yield Finding(element, wrong.reason, None if signature.is_timestamp else signature.name)


def _confirmed(structure: Structure, name: str, checked: CheckedCms) -> Iterator[Finding]:
    """Note the passkey's confirmation of this signature, if there is one. Yield a finding if it is wrong."""
    try:
        if found := confirmation(checked):
            structure.confirmed[name] = found
    except BadCmsSignature as wrong:
        yield Finding(Element.USED, wrong.reason, name)


def _alive(name: str, checked: CheckedCms, stamp: CheckedTimestamp) -> Iterator[Finding]:
    """Yield a finding if the timestamp is outside the certificate's validity. Not all validators check this."""
    start, end = checked.certificate.not_valid_before, checked.certificate.not_valid_after
    if not start <= stamp.time <= end:
        times = {"time": stamp.time, "start": start, "end": end}
        words = {key: f"{value:%Y-%m-%d %H:%M:%S} UTC" for key, value in times.items()}
        yield Finding(Element.OWNED, reasons.CERTIFICATE_EXPIRED.about(**words), name)


def _one_certificate_each(structure: Structure) -> Iterator[Finding]:
    seal = structure.signatures.get(SEAL_FIELD)
    others = [checked.encoded_certificate for name, checked in structure.signatures.items() if name != SEAL_FIELD]
    if seal is not None and seal.encoded_certificate in others:
        yield Finding(Element.OWNED, reasons.SAME_CERTIFICATE, SEAL_FIELD)


def _revisions(file: SignedFile) -> Iterator[Finding]:
    if file.signatures:
        first = min(signature.revision for signature in file.signatures)
        if first == 0:  # it would be compared with nothing, and could have any form
            yield Finding(Element.TEXT, reasons.SIGNED_FROM_THE_START)
        yield from find_changes(file, max(first - 1, 0))


def _drawing(file: SignedFile) -> Iterator[Finding]:
    """Yield a finding if programs draw a part of the file in different ways. No object may be missing, which
    `_revisions` checks in a signed file."""
    if found := find_drawn_differently(file.now):
        yield Finding(Element.TEXT, reasons.DRAWN_DIFFERENTLY.about(what=", ".join(found)))


def _list(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "-"
