"""Verify an OFD, with the same elements and words as for a PDF.

An OFD may have only seals. It contains no evidence of how a person confirmed an act, and need not have a timestamp.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.container import OfdContainer
from qianda.ofd.signature_parts import DocumentParts, read_document
from qianda.sm2 import NoSm2
from qianda.verify import reasons as shared
from qianda.verify.elements import ElementAnswer, SigningParty, VerificationReport, of_document, part_of
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element, Finding, Reason, UnreadableOfd, Word, readable
from qianda.verify.ofd import reasons
from qianda.verify.ofd.chain import load_certificate
from qianda.verify.ofd.coverage import has_hidden_signature
from qianda.verify.ofd.signature_check import CheckedOfdSignature, check_signature
from qianda.verify.pdf.signed_file import ContractName
from qianda.verify.trust import Trust

# The notes in `CustomDatas` of OFD.xml that our own files have.
NUMBER, SCHOOL = "ContractNumber", "School"
# The member with which each office file (ISO/IEC 29500-2) begins to be read, and that of an OFD.
_OFFICE_PART, _OFD_PART = b"[Content_Types].xml", b"OFD.xml"


def verify_ofd(ofd: bytes, trust: Trust, expected: Expectation | None = None, *, name: str = "") -> VerificationReport:
    """Check an OFD in memory, and whether it is the expected one. Raises UnreadableOfd."""
    try:
        container = OfdContainer(ofd)
        document = read_document(container)
        checked = [check_signature(container, document, part, trust) for part in document.signatures]
    except OfdTooLarge as error:
        raise UnreadableOfd(reasons.TOO_LARGE.about(what=error.what)) from error
    except NotAnOfd as error:
        is_office = _OFFICE_PART in ofd and _OFD_PART not in ofd
        raise UnreadableOfd(reasons.OFFICE if is_office else reasons.UNREADABLE.about(what=error.what)) from error
    except NoSm2 as error:
        raise UnreadableOfd(reasons.NO_SM2) from error
    about = (document.values.get(NUMBER, ""), document.title, document.values.get(SCHOOL, ""))
    contract = ContractName(*map(readable, about))
    findings = list(_findings(checked, trust))
    findings += [Finding(Element.TEXT, shared.HIDDEN_SIGNATURE)] if has_hidden_signature(container, document) else []
    findings += _unexpected(contract, document, ofd, expected) if expected else ()
    parties = tuple(_party(one, findings, trust) for one in checked)
    return VerificationReport(
        file=name,
        sha256=hashlib.sha256(ofd).hexdigest(),
        size=len(ofd),
        contract=contract,
        document=of_document(parties, findings),
        parties=parties,
        archived_at=None,
        trial=any(_is_trial(one, trust) or _has_trial_beside(one, trust) for one in checked),
    )


def _findings(checked: Sequence[CheckedOfdSignature], trust: Trust) -> Iterator[Finding]:
    if not checked:
        for element in Element:
            yield Finding(element, shared.NO_SIGNATURES)
    elif not trust.authorities:
        yield Finding(Element.OWNED, shared.NO_TRUST)
    for one in checked:
        yield from one.findings


def _unexpected(
    contract: ContractName, document: DocumentParts, ofd: bytes, expected: Expectation
) -> Iterator[Finding]:
    """Yield the differences from the expected values. The expected hash of the issued document is that of a PDF, so no
    OFD has it."""
    numbers = tuple(part.number for part in document.signatures)
    if expected.fields is not None and tuple(expected.fields) != numbers:
        what = {"expected": ", ".join(expected.fields), "found": ", ".join(numbers) or "-"}
        yield Finding(Element.TEXT, shared.UNEXPECTED_FIELDS.about(**what))
    if expected.number is not None and contract.number != expected.number:
        what = {"expected": expected.number, "found": contract.number or "-"}
        yield Finding(Element.TEXT, shared.ANOTHER_NUMBER.about(**what))
    if expected.final_sha256 is not None and hashlib.sha256(ofd).hexdigest() != expected.final_sha256.lower():
        yield Finding(Element.TEXT, shared.ANOTHER_FILE)
    if expected.document_sha256 is not None:
        yield Finding(Element.TEXT, shared.ANOTHER_DOCUMENT)


def _party(one: CheckedOfdSignature, findings: Sequence[Finding], trust: Trust) -> SigningParty:
    certificate = one.certificate
    return SigningParty(
        field=readable(one.part.number),
        is_seal=one.is_seal,
        name=_name(one),
        organisation=part_of(certificate.subject, "organization_name") if certificate else "",
        issuer=part_of(certificate.issuer, "common_name") if certificate else "",
        signed_at=one.moment,
        answers=tuple(_answer(element, one, findings, trust) for element in Element),
    )


def _answer(element: Element, one: CheckedOfdSignature, findings: Sequence[Finding], trust: Trust) -> ElementAnswer:
    against = (Element.USED, Element.SIGNATURE) if element is Element.USED else (element,)
    found = [each for each in findings if each.element in against and each.field in (one.part.number, None)]
    if found:
        return ElementAnswer(element, Word.FAILED, found[0].reason)
    if one.value is None:  # nothing more can be said than why it cannot be read
        return ElementAnswer(element, Word.FAILED, one.findings[0].reason)
    return ElementAnswer(element, *_unfailed(element, one, trust))


def _unfailed(element: Element, one: CheckedOfdSignature, trust: Trust) -> tuple[Word, Reason]:
    if element is Element.OWNED:
        trial = _is_trial(one, trust)
        return (Word.NOT_SHOWN, shared.OWNED_TRIAL) if trial else (Word.DECLARED, reasons.OWNED_DECLARED)
    if element is Element.USED:
        return Word.DECLARED, shared.USED_DECLARED
    if element is Element.SIGNATURE:
        return Word.SHOWN, reasons.SIGNATURE_SHOWN
    if element is Element.TEXT:
        return Word.SHOWN, reasons.TEXT_SHOWN
    return _time(one, trust)


def _time(one: CheckedOfdSignature, trust: Trust) -> tuple[Word, Reason]:
    if one.moment is None:
        return Word.NOT_SHOWN, reasons.TIME_UNSTATED
    at = f"{one.moment:%Y-%m-%d %H:%M:%S} UTC"
    if one.stamp is None:
        return Word.DECLARED, reasons.TIME_DECLARED.about(time=at)
    if trust.is_trial(one.stamp.certificate):
        return Word.NOT_SHOWN, shared.TIME_TRIAL.about(time=at)
    return Word.SHOWN, shared.TIME_SHOWN.about(time=at)


def _is_trial(one: CheckedOfdSignature, trust: Trust) -> bool:
    if one.certificate is None or one.value is None:
        return False
    others = [other for encoded in one.value.others if (other := load_certificate(encoded)) is not None]
    return trust.is_trial(one.certificate, others)


def _has_trial_beside(one: CheckedOfdSignature, trust: Trust) -> bool:
    """Return whether the timestamp or the maker of the seal is of the built-in authority."""
    maker = load_certificate(one.value.seal.maker) if one.value and one.value.seal else None
    beside = (one.stamp.certificate if one.stamp else None, maker)
    return any(trust.is_trial(certificate) for certificate in beside if certificate is not None)


def _name(one: CheckedOfdSignature) -> str:
    """Return who signed: the name in the certificate; for a seal, also that of the seal."""
    name = part_of(one.certificate.subject, "common_name") if one.certificate else ""
    seal = one.value.seal.name if one.value and one.value.seal else ""
    return readable(f"{name} ({seal})" if seal and seal != name else name)
