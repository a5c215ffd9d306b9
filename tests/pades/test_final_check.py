"""Which check decides about a finished file, and what happens if the two checks differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.documents.pades.check import Expected
from hub.lifecycle.sealing import final_check
from hub.lifecycle.sealing.final_check import is_sampled, judge_final_file
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import ContractState
from qianda.verify import reasons
from qianda.verify.findings import Element, Finding
from tests.changed_services import change_services
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import completed, contract_now, record_of, signed, staff_tasks
from tests.pades.contracts import contract, fields_of
from tests.pades.expected import expected_of

FIELDS = fields_of("one signer")
NEVER = 1 << 62


def test_the_quick_check_alone_decides_outside_the_sample() -> None:
    made = contract("one signer", "own")
    verdict = judge_final_file(made.final, expected_of(made), FIELDS, NEVER)
    assert (verdict.quick, verdict.full, verdict.findings) == ("", None, "")


def test_both_decide_within_the_sample() -> None:
    made = contract("one signer", "own")
    verdict = judge_final_file(made.final, expected_of(made), FIELDS, 1)
    assert (verdict.quick, verdict.full, verdict.differ, verdict.findings) == ("", "", False, "")


def test_the_full_check_decides_about_what_pyhanko_wrote() -> None:
    made = contract("one signer", "pyhanko")
    verdict = judge_final_file(made.final, expected_of(made), FIELDS, NEVER)
    assert (verdict.quick, verdict.full, verdict.findings) == (None, "", "")
    cut = judge_final_file(made.final[:-7], expected_of(made), FIELDS, NEVER)
    assert cut.quick is None and cut.findings and not cut.differ


def test_the_full_check_decides_about_a_timestamp_by_another_service() -> None:
    made = contract("one signer", "own")
    expected = replace(expected_of(made), timestamp_certificates=frozenset())
    verdict = judge_final_file(made.final, expected, FIELDS, NEVER)
    assert (verdict.quick, verdict.full, verdict.findings) == (None, "", "")


@pytest.mark.parametrize("wrong", ["certificate", "value", "confirmation"])
def test_the_full_check_decides_only_about_the_signatures_that_were_accepted(wrong: str) -> None:
    made = contract("one signer", "pyhanko")
    right, other = expected_of(made), expected_of(contract("one signer", "own")).signatures[0]
    guardian, seal = right.signatures
    changed = {
        "certificate": replace(guardian, certificate=other.certificate),
        "value": replace(guardian, value=other.value),
        "confirmation": replace(guardian, confirmation=b"one that was stored"),
    }[wrong]
    verdict = judge_final_file(made.final, replace(right, signatures=[changed, seal]), FIELDS, NEVER)
    assert (verdict.quick, verdict.findings) == (None, "guardian-1: another signature than the one that was accepted")


def test_both_refuse_a_wrong_file() -> None:
    made = contract("one signer", "own")
    verdict = judge_final_file(made.final[:-7], expected_of(made), FIELDS, NEVER)
    assert verdict.quick and verdict.full and verdict.findings and not verdict.differ


@pytest.mark.parametrize("which", ["quick", "full"])
def test_where_they_differ_the_file_is_refused(which: str) -> None:
    made, fields = contract("one signer", "own"), FIELDS
    expected: Expected = expected_of(made)
    if which == "quick":
        expected = replace(expected, issued_sha256="0" * 64)
    else:
        fields = [*FIELDS, "guardian-2"]  # only the full check is told which fields there have to be
    verdict = judge_final_file(made.final, expected, fields, 1)
    assert verdict.differ and verdict.findings and bool(verdict.quick) == (which == "quick")


def test_the_sample_has_one_file_in_so_many() -> None:
    files = [number.to_bytes(4, "big") for number in range(5000)]
    assert 60 < sum(is_sampled(file, 50) for file in files) < 140
    assert all(is_sampled(file, 1) for file in files)


async def test_a_contract_is_completed_by_the_quick_check_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database contains about a contract with two signers is all that the check needs."""
    async with quiet_hub() as running:
        monkeypatch.setattr(final_check, "check_finished", lambda *_: pytest.fail("the full check ran"))
        running.hub = replace(
            running.hub, services=change_services(running.hub.services, "sealing", full_check_every=NEVER)
        )
        contract = await running.issue_minor(signers=two_guardians(1, 2))
        await signed(running, contract)
        await advance(running.hub.services, contract.id)
        await signed(running, contract, 1)
        assert await completed(running, contract)


async def test_a_difference_is_an_alarm_and_nothing_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        assert running.hub.services.sealing.full_check_every == 1, "tests run both checks of every file"
        contract = await running.issue_minor()
        await signed(running, contract)
        found = [Finding(Element.TEXT, reasons.NO_SEAL)]
        monkeypatch.setattr(final_check, "check_finished", lambda *_: found)
        assert await advance(running.hub.services, contract.id) is ContractState.SIGNED
        assert (await contract_now(running, contract)).stuck_reason == "file-failed-check"
        assert "completed" not in await record_of(running, contract)
        assert {"checks-differ", "stuck"} <= set(await staff_tasks(running, contract.id))
