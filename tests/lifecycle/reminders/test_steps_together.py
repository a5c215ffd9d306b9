"""Steps that are due together run in one transaction, with the same result as one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.reminders.run_due import RanSteps, run_due
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.evidence.record import find_broken_entry
from hub.model.staff.scope import EVERYTHING
from hub.store.reminders.due_steps import opening_due
from hub.worker.due_step_loop import BATCH, LEASE
from tests.database import tamper
from tests.lifecycle.clockwork import quiet_hub
from tests.running import MovableClock, Running, until
from tests.statements import noted_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANY = 6
# From the claim to the booking of the provider, with a new link. Setting the scope is one of them.
MAX_STATEMENTS = 13
NOON = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    clock = MovableClock(NOON - datetime.now(UTC))
    async with quiet_hub(clock) as running:
        yield running


async def issued(running: Running, number: int) -> Contract:
    phone, document = f"+861900001{number:04}", f"E1900{number:04}"
    guardian = NewSigner(Role.GUARDIAN, "陈建国", phone, document, "passport", relation="父亲")
    return await running.issue_minor(signers=(guardian,))


async def sent(running: Running, contract: Contract) -> list[tuple[str, str]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [(each.purpose, each.state.value) for each in await tx.deliveries.list_of_contract(contract.id)]


async def ledger(running: Running, contract: Contract) -> list[tuple[str, str | None]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.reminders.list_of_contract(contract.id)
        assert find_broken_entry(await tx.record.list_entries(contract.id)) is None
    return [(str(each["kind"]), each["reason"]) for each in entries]


async def test_many_at_once_need_few_statements_and_each_gets_its_own(running: Running) -> None:
    contracts = [await issued(running, number) for number in range(MANY)]
    with noted_statements(running.hub.database) as statements:
        assert await running.worker.due_steps.sweep() == MANY
    for contract in contracts:
        assert await sent(running, contract) == [("invitation", "delivered")]
        assert [kind for kind, _ in await ledger(running, contract)][:3] == ["planned", "sent", "planned"]
    inserts = [each for each in statements if "INSERT INTO delivery " in each]
    assert len(inserts) == 1, "attempts that are written together are one statement"


async def counted(running: Running, number: int) -> tuple[list[str], RanSteps]:
    """Return the statements of the transaction in which `number` steps run, and what it did."""
    for each in range(number):
        await issued(running, 100 * number + each)
    async with running.hub.database.transaction(EVERYTHING) as tx:  # otherwise those of a slow test look at the texts
        await running.hub.services.messaging.texts.refresh(tx, at_once=True)
    with noted_statements(running.hub.database) as statements:
        ran = await run_due(running.hub.services, BATCH, LEASE)
    assert (ran.number, len(ran.calls), ran.left) == (number, number, [])
    for call in ran.calls:
        await running.hub.services.messaging.router.make_call(call)
    return statements, ran


async def test_one_step_and_many_need_the_same_statements(running: Running) -> None:
    await counted(running, 2)  # the very first booking creates the lanes
    (one, _), (many, _) = await counted(running, 1), await counted(running, MANY)
    assert one == many and len(one) <= MAX_STATEMENTS
    running.clock.advance(timedelta(days=1))
    assert (await run_due(running.hub.services, BATCH, LEASE)).number == MANY + 3


async def test_nobody_waits_for_a_contract_that_somebody_holds(running: Running) -> None:
    contracts = [await issued(running, number) for number in range(MANY)]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.contracts.lock_contract(contracts[0].id)
        sweeping = asyncio.create_task(running.worker.due_steps.sweep())

        async def others_have_theirs() -> bool:
            return all([await sent(running, each) == [("invitation", "delivered")] for each in contracts[1:]])

        await until(others_have_theirs)
        assert await sent(running, contracts[0]) == []
    await sweeping
    assert await sent(running, contracts[0]) == [("invitation", "delivered")]


async def test_a_step_that_is_being_run_is_claimed_by_nobody_else(running: Running) -> None:
    await issued(running, 0)
    opening = opening_due(running.hub.database.clock(), timedelta(0), MANY)
    async with running.hub.database.transaction(EVERYTHING, opening) as tx:
        now, lease = tx.planning_now, timedelta(minutes=1)
        assert len(await tx.due_steps.lock_due(opening)) == 1
        async with running.hub.database.transaction(EVERYTHING) as other:
            assert await other.tasks.claim_due(now, lease, MANY) == []
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert len(await tx.tasks.claim_due(now, lease, MANY)) == 1


async def test_a_budget_that_does_not_suffice_for_all_serves_as_many_as_it_can() -> None:
    clock = MovableClock(NOON - datetime.now(UTC))
    limits = {"budgets": {"per_prefix_hour": MANY - 2}}
    async with quiet_hub(clock, configured=limits) as running:
        contracts = [await issued(running, number) for number in range(MANY)]
        await running.worker.due_steps.sweep()
        fates = [await sent(running, contract) for contract in contracts]
        assert sorted(map(len, fates)) == [0, 0] + [1] * (MANY - 2)
        waiting = contracts[fates.index([])]
        assert ("skipped", "budget") in await ledger(running, waiting)
        clock.advance(timedelta(hours=2))
        while await running.worker.due_steps.sweep():
            pass
        assert await sent(running, waiting) == [("invitation", "delivered")]


async def test_one_that_goes_wrong_does_not_take_the_others_along(running: Running) -> None:
    contracts = [await issued(running, number) for number in range(MANY)]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(contracts[0].id))[0]
    await tamper(running.hub.database.dsn, "UPDATE signer SET zone = 'No/Where' WHERE id = $1", signer.id)
    for _ in range(2):  # twice, since the broken step is due again when its lease has expired
        await running.worker.due_steps.sweep()
        running.clock.advance(timedelta(minutes=2))
    assert await sent(running, contracts[0]) == []
    for contract in contracts[1:]:
        assert await sent(running, contract) == [("invitation", "delivered")]
