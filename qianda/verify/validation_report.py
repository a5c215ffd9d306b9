"""Write the report for other programs: ETSI TS 119 102-2, V1.4.1, one part for each signature.

Indications are those of EN 319 102-1, 5.1.3. A signature whose value or content is wrong is `total-failed`; one whose
certificate or time is not trusted is `indeterminate`. The constraints contain the four words in full.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as Xml

from qianda.verify.elements import ElementAnswer, VerificationReport
from qianda.verify.findings import Element, Word, readable

VR: Final = "http://uri.etsi.org/19102/v1.4.1#"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
SHA256_URI: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
PASSED, FAILED, INDETERMINATE = "total-passed", "total-failed", "indeterminate"
_BASE: Final = "urn:etsi:019102"
_CONSTRAINT: Final = "urn:qianda:element"
# The meaning of a failed element, the gravest first.
_FAULTS: Final = {
    Element.TEXT: (FAILED, "HASH_FAILURE"),
    Element.SIGNATURE: (FAILED, "SIG_CRYPTO_FAILURE"),
    Element.OWNED: (INDETERMINATE, "CERTIFICATE_CHAIN_GENERAL_FAILURE"),
    Element.USED: (INDETERMINATE, "SIG_CONSTRAINTS_FAILURE"),
    Element.TIME: (INDETERMINATE, "NO_POE"),
}
# All other words are indeterminate.
_STATUSES: Final = {Word.FAILED: "failed", Word.SHOWN: "passed"}


@dataclass(frozen=True)
class ReportedSignature:
    """One signature of a report. `identifier`: its field or item. `sha256`: of the signed file, in hex."""

    identifier: str
    signer: str
    signed_at: datetime | None
    sha256: str
    indication: str
    sub_indication: str = ""
    answers: Sequence[ElementAnswer] = ()


def signatures_of(report: VerificationReport) -> list[ReportedSignature]:
    """Return the signatures of a PDF; for an altered file, in which none is believed, a single failed one."""
    if not report.parties:
        return [ReportedSignature(report.file, "", None, report.sha256, FAILED, "FORMAT_FAILURE", report.document)]
    return [
        ReportedSignature(
            party.field, party.name, party.signed_at, report.sha256, *_indication(party.answers), party.answers
        )
        for party in report.parties
    ]


def _indication(answers: Iterable[ElementAnswer]) -> tuple[str, str]:
    failed = {answer.element for answer in answers if answer.word is Word.FAILED}
    return next((fault for element, fault in _FAULTS.items() if element in failed), (PASSED, ""))


def validation_report(signatures: Sequence[ReportedSignature], at: datetime) -> bytes:
    """Return the report as XML. `at`: the time of the check."""
    Xml.register_namespace("", VR)
    Xml.register_namespace("ds", DS)
    root = Xml.Element(_vr("ValidationReport"))
    for signature in signatures:
        _add_signature(Xml.SubElement(root, _vr("SignatureValidationReport")), signature, at)
    Xml.indent(root)
    written: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _add_signature(parent: Xml.Element, signature: ReportedSignature, at: datetime) -> None:
    identifier = Xml.SubElement(parent, _vr("SignatureIdentifier"))
    _text(identifier, "HashOnly", "false")
    _text(identifier, "DocHashOnly", "false")
    _text(identifier, "DAIdentifier", signature.identifier)
    if signature.answers:
        _add_constraints(Xml.SubElement(parent, _vr("ValidationConstraintsEvaluationReport")), signature.answers)
    times = Xml.SubElement(parent, _vr("ValidationTimeInfo"))
    _text(times, "ValidationTime", _moment(at))
    best = Xml.SubElement(times, _vr("BestSignatureTime"))
    _text(best, "POETime", _moment(signature.signed_at or at))
    _text(best, "TypeOfProof", f"{_BASE}:poetype:validation")
    if signature.sha256:
        digest = Xml.SubElement(Xml.SubElement(parent, _vr("SignersDocument")), _vr("DigestAlgAndValue"))
        Xml.SubElement(digest, f"{{{DS}}}DigestMethod", Algorithm=SHA256_URI)
        value = base64.b64encode(bytes.fromhex(signature.sha256)).decode("ascii")
        Xml.SubElement(digest, f"{{{DS}}}DigestValue").text = value
    status = Xml.SubElement(parent, _vr("SignatureValidationStatus"))
    _text(status, "MainIndication", f"{_BASE}:mainindication:{signature.indication}")
    if signature.sub_indication:
        _text(status, "SubIndication", f"{_BASE}:subindication:{signature.sub_indication}")
    if signature.signer:
        _text(parent, "OtherInformation", signature.signer)


def _add_constraints(parent: Xml.Element, answers: Iterable[ElementAnswer]) -> None:
    """Add the answer for each element: its word and its reason, in English and Chinese."""
    for answer in answers:
        constraint = Xml.SubElement(parent, _vr("ValidationConstraint"))
        _text(constraint, "ValidationConstraintIdentifier", f"{_CONSTRAINT}:{answer.element.replace(' ', '-')}")
        status = Xml.SubElement(constraint, _vr("ConstraintStatus"))
        _text(status, "Status", f"{_BASE}:constraintStatus:applied")
        said = _STATUSES.get(answer.word, INDETERMINATE)
        outcome = Xml.SubElement(constraint, _vr("ValidationStatus"))
        _text(outcome, "MainIndication", f"{_BASE}:mainindication:{said}")
        _text(constraint, "Indications", f"{answer.word}: {answer.reason.en} {answer.reason.zh}")


def _text(parent: Xml.Element, tag: str, content: str) -> None:
    Xml.SubElement(parent, _vr(tag)).text = readable(content)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _vr(tag: str) -> str:
    return f"{{{VR}}}{tag}"
