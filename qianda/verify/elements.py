"""Turn findings into answers: one of four words with its reason, for each party and each element.

A PDF alone says nothing about custody, so `exclusively owned` is `declared` at best. `exclusively used` is `shown` if
the signature contains a passkey's confirmation and the signer's certificate, from a trusted authority, names that
passkey. Only the evidence package could show confirmation by a PIN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509

from qianda.verify import reasons
from qianda.verify.cms_check import CheckedCms
from qianda.verify.findings import Element, Finding, Reason, Word, readable
from qianda.verify.pdf.revocation_lists import listed_until
from qianda.verify.pdf.signed_file import ContractName, SignedFile
from qianda.verify.pdf.structure import SEAL_FIELD, Structure
from qianda.verify.purpose import is_for_signing
from qianda.verify.trust import Trust

BAD_TO_GOOD = (Word.FAILED, Word.NOT_SHOWN, Word.DECLARED, Word.SHOWN)


@dataclass(frozen=True)
class ElementAnswer:
    element: Element
    word: Word
    reason: Reason


@dataclass(frozen=True)
class SigningParty:
    """One signature field: a signer, or the organisation (`is_seal`). `name` and `issuer` are common names.
    `certificate_sha256`: hex, of the certificate in a PDF; empty if it cannot be read. `listed_until`: the time of the
    newest revocation list about it in a PDF; None if there is none, or it is not trusted."""

    field: str
    is_seal: bool
    name: str
    organisation: str
    issuer: str
    signed_at: datetime | None
    answers: tuple[ElementAnswer, ...]
    certificate_sha256: str = ""
    listed_until: datetime | None = None


@dataclass(frozen=True)
class CoveredBytes:
    """The bytes of a PDF that the signature in a field covers: the offsets of the first byte and after the last, for
    each part.

    The gap between two parts is the place for the signature's own value. `is_timestamp`: this is a document timestamp.
    """

    field: str
    is_timestamp: bool
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class VerificationReport:
    """The verifier's report on one file.

    `contract`: the contract that the file claims to be. `document`: the answers for the whole file, with the worst word
    for each element. `trial`: certificates of the built-in authority or timestamp service were found. `archived_at`:
    time of the document timestamp that closes the file. `coverage`: for a PDF, each signature and timestamp in the
    file's order.
    """

    file: str
    sha256: str
    size: int
    contract: ContractName
    document: tuple[ElementAnswer, ...]
    parties: tuple[SigningParty, ...]
    archived_at: datetime | None
    trial: bool
    coverage: tuple[CoveredBytes, ...] = ()

    @property
    def failed(self) -> bool:
        return any(answer.word is Word.FAILED for answer in self.document)


def altered_report(pdf: bytes, reason: Reason, name: str) -> VerificationReport:
    """Return the report on a file that Qianda wrote and somebody altered; nothing in it is believed."""
    return VerificationReport(
        file=name,
        sha256=hashlib.sha256(pdf).hexdigest(),
        size=len(pdf),
        contract=ContractName("", "", ""),
        document=tuple(ElementAnswer(element, Word.FAILED, reason) for element in Element),
        parties=(),
        archived_at=None,
        trial=False,
    )


def trust_findings(structure: Structure, trust: Trust) -> Iterator[Finding]:
    """Yield the faults that the trusted certificates reveal before certificate paths are built."""
    if not trust.authorities:
        yield Finding(Element.OWNED, reasons.NO_TRUST)
    for name, checked in structure.signatures.items():
        if trust.is_seal(checked.certificate) != (name == SEAL_FIELD):
            reason = reasons.SEAL_UNKNOWN if name == SEAL_FIELD else reasons.SEAL_FOR_PERSON
            yield Finding(Element.OWNED, reason, name)
        if not is_for_signing(checked.certificate):
            yield Finding(Element.OWNED, reasons.NOT_FOR_SIGNING, name)
    for name, stamp in structure.times.items():
        if not trust.pins(stamp.encoded_certificate):
            yield Finding(Element.TIME, reasons.TIME_UNTRUSTED, name if name in structure.signatures else None)
    for name, confirmation in structure.confirmed.items():
        origin = confirmation.confirmed.origin
        if confirmation.bound and trust.origins and origin not in trust.origins:
            yield Finding(Element.USED, reasons.CONFIRMED_ELSEWHERE.about(where=origin), name)


def judge(structure: Structure, findings: Sequence[Finding], trust: Trust) -> tuple[tuple[SigningParty, ...], bool]:
    """Return the parties in the order in which they signed, and whether anything is from the built-in authority."""
    parties = tuple(_party(structure, signature.name, findings, trust) for signature in structure.regular)
    trial = any(trust.is_trial(one.certificate, one.certificates) for one in structure.signatures.values())
    return parties, trial or any(trust.is_trial(stamp.certificate) for stamp in structure.times.values())


def covered_bytes(structure: Structure) -> tuple[CoveredBytes, ...]:
    """Return the bytes that each signature claims to cover. Whether these are sufficient is checked elsewhere."""
    return tuple(
        CoveredBytes(each.name, each.is_timestamp, _parts(each.byte_range, len(structure.file.pdf)))
        for each in structure.file.signatures
    )


def _parts(byte_range: tuple[int, ...], size: int) -> tuple[tuple[int, int], ...]:
    """Return the parts of a byte range (offset, length, offset, length …; ISO 32000-2, 12.8.1) that are in the file."""
    pairs = zip(byte_range[::2], byte_range[1::2], strict=False)
    return tuple((start, min(start + length, size)) for start, length in pairs if 0 <= start < size and length > 0)


def of_document(parties: Sequence[SigningParty], findings: Sequence[Finding]) -> tuple[ElementAnswer, ...]:
    """Return an answer for each element: the fault of the whole file, otherwise the worst answer of a party."""
    return tuple(_worst(element, parties, findings) for element in Element)


def _worst(element: Element, parties: Sequence[SigningParty], findings: Sequence[Finding]) -> ElementAnswer:
    for finding in findings:
        if finding.element is element:
            return ElementAnswer(element, Word.FAILED, finding.reason)
    answers = [answer for party in parties for answer in party.answers if answer.element is element]
    if not answers:
        return ElementAnswer(element, Word.FAILED, reasons.NO_SIGNATURES)
    return min(answers, key=lambda answer: BAD_TO_GOOD.index(answer.word))


def _party(structure: Structure, field: str, findings: Sequence[Finding], trust: Trust) -> SigningParty:
    checked = structure.signatures.get(field)
    stamp = structure.times.get(field)
    certificate = checked.certificate if checked else None
    answers = {element: _answer(element, structure, field, findings, trust) for element in Element}
    is_trusted = answers[Element.OWNED].word is not Word.FAILED
    return SigningParty(
        field=field,
        is_seal=field == SEAL_FIELD,
        name=part_of(certificate.subject, "common_name") if certificate else "",
        organisation=part_of(certificate.subject, "organization_name") if certificate else "",
        issuer=part_of(certificate.issuer, "common_name") if certificate else "",
        signed_at=stamp.time if stamp else None,
        answers=tuple(answers.values()),
        certificate_sha256=hashlib.sha256(checked.encoded_certificate).hexdigest() if checked else "",
        listed_until=_listed_until(structure.file, checked, trust) if checked and is_trusted else None,
    )


def _listed_until(file: SignedFile, checked: CheckedCms, trust: Trust) -> datetime | None:
    return listed_until(file, checked.certificate, (*trust.authorities, *checked.certificates))


def _answer(
    element: Element, structure: Structure, field: str, findings: Sequence[Finding], trust: Trust
) -> ElementAnswer:
    """Return the answer for one party. A fault in the party's own signature comes before a fault of the whole file."""
    against = (Element.USED, Element.SIGNATURE) if element is Element.USED else (element,)
    own = [finding for finding in findings if finding.element in against and finding.field == field]
    whole = [finding for finding in findings if finding.element in against and finding.field is None]
    if own or whole:
        return ElementAnswer(element, Word.FAILED, (own or whole)[0].reason)
    if field not in structure.signatures:  # a signature that is wrong shows nothing, whatever else was found
        why = next(
            finding.reason for finding in findings if (finding.element, finding.field) == (Element.SIGNATURE, field)
        )
        return ElementAnswer(element, Word.FAILED, why)
    if element is Element.USED:
        trusted = not any(finding.element is Element.OWNED and finding.field in (field, None) for finding in findings)
        return ElementAnswer(element, *_used(structure, field, trusted))
    return ElementAnswer(element, *_unfailed(element, structure, field, trust))


def _unfailed(element: Element, structure: Structure, field: str, trust: Trust) -> tuple[Word, Reason]:
    stamp = structure.times.get(field)
    if element is Element.OWNED:
        checked = structure.signatures[field]
        trial = trust.is_trial(checked.certificate, checked.certificates)
        return (Word.NOT_SHOWN, reasons.OWNED_TRIAL) if trial else (Word.DECLARED, reasons.OWNED_DECLARED)
    if element is Element.SIGNATURE:
        return Word.SHOWN, reasons.SIGNATURE_SHOWN
    if element is Element.TEXT:
        return Word.SHOWN, reasons.TEXT_SHOWN
    if stamp is None:
        return Word.FAILED, reasons.TIME_MISSING
    at = f"{stamp.time:%Y-%m-%d %H:%M:%S} UTC"
    if field in structure.contradicted:
        return Word.NOT_SHOWN, reasons.TIME_CONTRADICTED.about(time=at)
    if trust.is_trial(stamp.certificate):
        return Word.NOT_SHOWN, reasons.TIME_TRIAL.about(time=at)
    return Word.SHOWN, reasons.TIME_SHOWN.about(time=at)


def _used(structure: Structure, field: str, trusted: bool) -> tuple[Word, Reason]:
    """Return the answer for `exclusively used`. `trusted`: the signer's certificate is valid, so the passkey that it
    names counts."""
    if field not in structure.confirmed:
        return Word.DECLARED, reasons.USED_DECLARED
    confirmation = structure.confirmed[field]
    key = hashlib.sha256(confirmation.public_key).hexdigest()[:16]
    about = {"where": confirmation.confirmed.origin, "key": key}
    if not confirmation.bound:
        return Word.DECLARED, reasons.USED_UNBOUND.about(**about)
    if not trusted:
        return Word.DECLARED, reasons.USED_UNTRUSTED.about(**about)
    return Word.SHOWN, reasons.USED_SHOWN.about(**about)


def part_of(name: x509.Name, part: str) -> str:
    """Return a part of a certificate's subject or issuer; the whole name if it has no such part. Several values of one
    certificate must not look like several signers, which a comma divides."""
    value = name.native.get(part) or name.human_friendly
    return readable(value if isinstance(value, str) else " / ".join(value))
