"""Reading a report in tests."""

from __future__ import annotations

from qianda.verify.elements import VerificationReport
from qianda.verify.findings import Element, Word

SIGNERS = ("guardian-1", "student-1")
FIELDS = (*SIGNERS, "seal")


def words(report: VerificationReport) -> dict[Element, Word]:
    return {answer.element: answer.word for answer in report.document}


def failed(report: VerificationReport) -> set[Element]:
    return {element for element, word in words(report).items() if word is Word.FAILED}


def failed_of(report: VerificationReport, field: str) -> set[Element]:
    party = next(party for party in report.parties if party.field == field)
    return {answer.element for answer in party.answers if answer.word is Word.FAILED}


def complaints(report: VerificationReport) -> str:
    every = [*report.document, *(answer for party in report.parties for answer in party.answers)]
    return "\n".join(answer.reason.en for answer in every if answer.word is Word.FAILED)
