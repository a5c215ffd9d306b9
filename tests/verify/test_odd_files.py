"""Files that readers understand differently are refused, with a reason, whatever was done to the rest of them."""

from __future__ import annotations

import asyncio

import pytest

from qianda.checks import RefusedToSign
from qianda.update import check_update
from qianda.verify import UnreadableDocument, verify_bytes
from qianda.verify.expectation import Expectation
from qianda.verify.findings import Element
from qianda.verify.pdf.structure import check_finished
from qianda.verify.trust import Trust
from tests.signing_parts import FinishedParts
from tests.verify.insider import STEPS, Insider, Memo
from tests.verify.odd_files import ODDITIES
from tests.verify.reading import FIELDS, failed

NOT_OURS = "not a file of Qianda"
# Oddities that the signing library does not notice, so that a whole contract can be made around them.
UNNOTICED = [
    "an orphan before the objects",
    "an orphan behind the objects",
    "an orphan in a comment",
    "an orphan in a stream",
    "an orphan in a string",
    "an entry behind a long string",
    "an object twice",
]


@pytest.fixture(scope="module")
def memo() -> Memo:
    return {}


@pytest.mark.parametrize("name", ODDITIES)
def test_an_odd_end_of_a_finished_file_is_refused(contract: FinishedParts, trust: Trust, memo: Memo, name: str) -> None:
    """By the hub's check and by the verifier: whoever has a finished file can append one more revision."""
    pdf = asyncio.run(Insider(contract, "timestamp", ODDITIES[name].change, memo=memo).contract_made())
    (finding,) = check_finished(pdf, FIELDS)
    assert finding.element is Element.TEXT
    assert (ODDITIES[name].why or " ") in finding.reason.en or NOT_OURS in finding.reason.en
    said = verdict(pdf, trust)
    assert said == NOT_OURS if isinstance(said, str) else Element.TEXT in said


@pytest.mark.parametrize("step", [pytest.param(step, marks=pytest.mark.real) for step in STEPS if step != "timestamp"])
@pytest.mark.parametrize("name", UNNOTICED)
def test_an_odd_revision_within_is_refused(
    contract: FinishedParts, trust: Trust, memo: Memo, name: str, step: str
) -> None:
    """Everything after it was signed, sealed and timestamped properly."""
    pdf = asyncio.run(Insider(contract, step, ODDITIES[name].change, memo=memo).contract_made())
    assert {finding.element for finding in check_finished(pdf, FIELDS)} == {Element.TEXT}
    said = verdict(pdf, trust)
    assert said == NOT_OURS if isinstance(said, str) else Element.TEXT in said


@pytest.mark.parametrize("name", ODDITIES)
def test_the_client_signs_no_odd_file(contract: FinishedParts, name: str) -> None:
    shown, prepared = asyncio.run(Insider(contract, STEPS[0], ODDITIES[name].change).prepared_file())
    with pytest.raises(RefusedToSign) as raised:
        check_update(shown, prepared)
    assert raised.value.number == 1 and ODDITIES[name].why in raised.value.reason


def test_the_reasons_tell_one_oddity_from_another(contract: FinishedParts) -> None:
    """Readers of a reason are told where the file is odd."""
    reasons = set[str]()
    for oddity in ODDITIES.values():
        shown, prepared = asyncio.run(Insider(contract, STEPS[0], oddity.change).prepared_file())
        with pytest.raises(RefusedToSign) as raised:
            check_update(shown, prepared)
        reasons.add(raised.value.reason)
    assert len(reasons) > 20, reasons


def verdict(pdf: bytes, trust: Trust) -> set[Element] | str:
    """Return the elements that fail, or NOT_OURS if the file is recognised as foreign, not as damaged."""
    try:
        return failed(verify_bytes(pdf, trust, Expectation(FIELDS)))
    except UnreadableDocument as refused:
        return NOT_OURS if NOT_OURS in refused.reason.en else refused.reason.en
