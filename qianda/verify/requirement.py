"""Check a requirement on a file: each element must be answered by this word, or by a better one."""

from __future__ import annotations

from collections.abc import Sequence

from qianda.verify.elements import BAD_TO_GOOD, ElementAnswer, VerificationReport
from qianda.verify.findings import Element, Word

# Who owned and used a key is required only of people. The organisation's seal belongs to it, and signs without a PIN.
OF_PEOPLE = (Element.OWNED, Element.USED)


def find_lacking(report: VerificationReport, wanted: Word) -> Sequence[ElementAnswer]:
    """Return the answers that are worse than `wanted`: the worst one for each element."""
    lacking = []
    for element in Element:
        answers = [answer for answer in report.document if answer.element is element]
        people = [each for party in report.parties if not party.is_seal for each in party.answers]
        if element in OF_PEOPLE and not any(answer.word is Word.FAILED for answer in answers):
            answers = [answer for answer in people if answer.element is element] or answers
        worst = min(answers, key=lambda answer: BAD_TO_GOOD.index(answer.word))
        if BAD_TO_GOOD.index(worst.word) < BAD_TO_GOOD.index(wanted):
            lacking.append(worst)
    return lacking
