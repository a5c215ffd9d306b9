"""What a verified signer can make us do again and again is counted, and leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.errors import BudgetSpent, DocumentBusy, DocumentChanged
from hub.lifecycle import sign
from hub.model.contract import Contract
from hub.model.staff import EVERYTHING
from qianda.holder import SoftwareKey
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signing import Person, completed, person
from tests.running import Running

MINUTE = timedelta(minutes=1)


def stored(running: Running) -> set[Path]:
    return {path for path in (running.hub.settings.data / "files").rglob("*") if path.is_file()}


async def ready(running: Running, contract: Contract, number: int = 0) -> Person:
    somebody = await person(running, contract, number)
    await somebody.enter()
    await somebody.certify()
    return somebody


async def test_one_signer_who_prepares_again_and_again_does_not_keep_the_document_from_the_other() -> None:
    clock = StandingClock()
    async with quiet_hub(clock, configured={"budgets": {"prepared_per_task_hour": 3}}) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        first, second = [await ready(running, contract, number) for number in (0, 1)]
        for _ in range(3):
            request = await first.prepare()
            clock.advance(2 * MINUTE)
        with pytest.raises(BudgetSpent) as spent:
            await first.prepare()
        assert (spent.value.kind, spent.value.retry_after) == ("prepared", timedelta(minutes=54))
        with pytest.raises(DocumentBusy):
            await second.prepare()
        clock.advance(MINUTE)
        await second.prepare()
        with pytest.raises(DocumentChanged):
            await first.accept(request)
        clock.advance(timedelta(minutes=53))
        await first.prepare()


async def test_a_prepared_file_is_deleted_when_the_same_person_begins_again() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        guardian = await ready(running, contract)
        before = stored(running)
        old = await guardian.prepare()
        clock.advance(MINUTE)
        await guardian.prepare()
        request = await guardian.prepare()  # in the same minute the same file, which is needed
        assert {path.name for path in stored(running) - before} == {request.prepared}
        with pytest.raises(DocumentChanged):
            await sign.prepared_file(running.hub.parts, guardian.secret, old.id)
        await guardian.accept(request)
        await completed(running, contract)


async def test_so_many_certificates_for_one_person_and_no_more() -> None:
    clock = StandingClock()
    budgets = {"certificates_per_person_hour": 2, "certificates_per_person_day": 3}
    async with quiet_hub(clock, configured={"budgets": budgets}) as running:
        contract = await running.issue_minor()
        guardian = await ready(running, contract)

        async def another_key() -> None:
            again = replace(guardian, key=SoftwareKey())
            await again.fresh_challenge()
            await again.certify()

        await another_key()
        with pytest.raises(BudgetSpent) as spent:
            await another_key()
        assert (spent.value.kind, spent.value.retry_after) == ("certificate-hour", timedelta(hours=1))
        clock.advance(timedelta(hours=1))
        guardian = await person(running, contract)
        await guardian.enter()
        await another_key()
        with pytest.raises(BudgetSpent) as spent:
            await another_key()
        assert spent.value.kind == "certificate-day"
        async with running.hub.database.unit(EVERYTHING) as unit:
            attempts = await unit.signatures.attempts(contract.id)
        assert [each["state"] for each in attempts if each["kind"] == "certificate"] == ["done"] * 3
