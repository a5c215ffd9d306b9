"""A changed policy plans hundreds of tasks anew in a few statements, with the same result as one by one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.lifecycle.contract.end import void
from hub.lifecycle.reminders.reschedule import last_step, replan_later, replan_scope
from hub.model.contract.contract import Contract
from hub.model.contract.signer import SigningTask
from hub.model.messaging.delivery import Delivery, DeliveryItem, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.reminders.schedule import NextStep, StepKind
from hub.model.staff.scope import EVERYTHING
from hub.store.reminders.ledger import LedgerNote
from hub.store.reminders.plans import PlannedTask
from hub.store.transaction import Transaction
from tests.database import tamper
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.reminders.test_policies import change
from tests.lifecycle.reminders.test_steps_together import NOON, issued, ledger
from tests.lifecycle.signer import tasks_of
from tests.running import MovableClock, Running, until
from tests.statements import noted_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW, MANY = 2, 7
PLANNED_ANEW = ("planned", "policy-changed")
PURPOSES = (Purpose.INVITATION, Purpose.YOUR_TURN, Purpose.REMINDER, Purpose.LAST_CALL, Purpose.CODE, Purpose.EXPIRED)


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    clock = MovableClock(NOON - datetime.now(UTC))
    async with quiet_hub(clock) as running:
        yield running


async def asleep(running: Running, first: int, number: int) -> list[Contract]:
    """Issue contracts and send their invitations."""
    contracts = [await issued(running, first + each) for each in range(number)]
    await running.worker.due_steps.sweep()
    return contracts


async def due(running: Running, contract: Contract) -> datetime:
    (task,) = await tasks_of(running, contract)
    assert task.step
    return task.step.due_at


async def counted(running: Running, days: int) -> int:
    """Return the number of statements that planning all tasks takes, by a policy with the first reminder after `days`
    days."""
    await change(running, "hefei", "campus", "hefei", {"reminders_after": [f"{days}d"]})
    with noted_statements(running.hub.database) as statements:
        assert await replan_scope(running.hub.services, "hefei") is None
    return len(statements)


async def test_planning_many_takes_no_more_statements_than_planning_few(running: Running) -> None:
    contracts = await asleep(running, 0, FEW)
    few = await counted(running, 4)
    contracts += await asleep(running, FEW, MANY)
    before = {each.id: await due(running, each) for each in contracts}
    assert await counted(running, 6) == few
    for contract in contracts:
        assert await due(running, contract) >= before[contract.id] + timedelta(days=1)
        noted = (await ledger(running, contract)).count(PLANNED_ANEW)
        assert noted == (2 if contract in contracts[:FEW] else 1)


async def test_one_that_somebody_holds_is_planned_alone_and_the_others_do_not_wait(running: Running) -> None:
    held, *others = await asleep(running, 0, FEW + 1)
    await change(running, "hefei", "campus", "hefei", {"reminders_after": ["5d"]})
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.contracts.lock_contract(held.id)
        planning = asyncio.create_task(replan_scope(running.hub.services, "hefei"))

        async def others_are_planned() -> bool:
            return all([PLANNED_ANEW in await ledger(running, each) for each in others])

        await until(others_are_planned)
        assert PLANNED_ANEW not in await ledger(running, held)
    await planning
    assert (await ledger(running, held)).count(PLANNED_ANEW) == 1


async def test_one_that_goes_wrong_does_not_keep_the_others_from_being_planned(running: Running) -> None:
    wrong, *others = sorted(await asleep(running, 0, FEW + 1), key=lambda each: each.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(wrong.id))[0]
    await tamper(running.hub.database.dsn, "UPDATE signer SET zone = 'No/Where' WHERE id = $1", signer.id)
    await change(running, "hefei", "campus", "hefei", {"reminders_after": ["5d"]})
    assert await replan_scope(running.hub.services, "hefei") is None
    assert all([PLANNED_ANEW in await ledger(running, each) for each in others])
    assert PLANNED_ANEW not in await ledger(running, wrong)


async def test_a_step_is_written_only_by_who_holds_its_task_and_while_it_is_open(running: Running) -> None:
    (contract,) = await asleep(running, 0, 1)
    (task,) = await tasks_of(running, contract)
    step = NextStep(StepKind.REMINDER, 7, NOON + timedelta(days=9))
    notes, minute = [LedgerNote("planned", step=step, reason="test")], timedelta(minutes=1)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (lost,) = await tx.tasks.lease([task.id], NOON + minute)
        (held,) = await tx.tasks.lease([task.id], NOON + 2 * minute)  # by somebody else, after the first lease ended
    claims = [PlannedTask(task.id, step, notes, is_claimed=True, held=each.leased_until) for each in (lost, held)]
    before = await ledger(running, contract)
    for claim, written in zip(claims, (0, 1), strict=True):
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.plans.put([claim], NOON) == written
        assert (await tasks_of(running, contract))[0].step == (step if written else task.step)
        assert await ledger(running, contract) == before + [("planned", "test")] * written
    await void(running.hub.services, EVERYTHING, contract.id, "wrong", "staff:test")
    ended = await ledger(running, contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.plans.put([PlannedTask(task.id, step, notes)], NOON) == 0
    assert await ledger(running, contract) == ended and (await tasks_of(running, contract))[0].step is None


@pytest.mark.real
async def test_planning_that_the_database_broke_off_goes_on_later(running: Running) -> None:
    held, *others = await asleep(running, 0, FEW + 1)
    await change(running, "hefei", "campus", "hefei", {"reminders_after": ["5d"]})
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await replan_later(tx, "hefei", None)
    async with _queue_of(running):
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(held.id)
            await until(lambda: _found(running, _WAITING_IS_ENDED))
        await until(lambda: _found(running, "SELECT true FROM pgqueuer WHERE status = 'failed'"))
        await until(lambda: _round_leaves_no_job(running))  # it rests first
    assert all([(await ledger(running, each)).count(PLANNED_ANEW) == 1 for each in (held, *others)])


async def test_a_job_that_was_started_three_times_and_never_ended_is_parked(running: Running) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await replan_later(tx, "hefei", None)
        await tx.connection.execute(text("UPDATE pgqueuer SET attempts = 3"))
    async with _queue_of(running):
        await until(lambda: _found(running, "SELECT count(*) = 0 FROM pgqueuer WHERE status IN ('queued', 'picked')"))
    assert await _found(running, "SELECT count(*) = 1 FROM pgqueuer WHERE status = 'failed'")


_WAITING_IS_ENDED = """
SELECT bool_or(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%contract%'
"""


@asynccontextmanager
async def _queue_of(running: Running) -> AsyncIterator[None]:
    stop = asyncio.Event()
    queue = asyncio.create_task(running.worker.jobs.run_jobs(stop))
    try:
        yield
    finally:
        stop.set()
        await queue


async def _round_leaves_no_job(running: Running) -> bool:
    await running.worker.periodic.run_round()
    return await _found(running, "SELECT count(*) = 0 FROM pgqueuer")


async def _found(running: Running, question: str) -> bool:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return bool(await tx.connection.scalar(text(question)))


async def test_what_went_out_last_is_the_same_for_many_as_for_one(running: Running) -> None:
    """Messages that are withdrawn, of other purposes, through another channel, sent by hand, at the same moment, or for
    several contracts. Some are from before their task was opened again."""
    contracts = [await issued(running, number) for number in range(FEW)]
    chance = random.Random(5)
    for number in range(80):
        tasks = {contract.id: (await tasks_of(running, contract))[0] for contract in contracts}
        async with running.hub.database.transaction(EVERYTHING) as tx:
            if number % 20 == 10:
                again = chance.choice(list(tasks.values()))
                await _invite_again(tx, again, NOON + timedelta(minutes=number // 3))
                tasks[again.contract] = await tx.tasks.get(again.id)
            mine, other = chance.sample(list(tasks.values()), 2)
            delivery = _sent(chance, number, mine)
            assert await tx.deliveries.add(delivery)
            if chance.random() < 0.3:
                await tx.shares.add_many((delivery.id, _share(chance, each)) for each in (mine, other))
            together = await tx.plans.get_last_steps(list(tasks))
            for contract, task in tasks.items():
                assert together.get(task.id) == last_step(task, await tx.deliveries.list_of_contract(contract))
    assert len(together) == FEW


async def _invite_again(tx: Transaction, task: SigningTask, at: datetime) -> None:
    assert task.step
    await tx.tasks.open(task.id, task.step, at)


def _sent(chance: random.Random, number: int, task: SigningTask) -> Delivery:
    variables = {} if chance.random() < 0.2 else {"step_number": chance.choice(["", "0", "1", "3", "12"])}
    return Delivery(
        UUID(int=chance.getrandbits(128)),
        f"key-{number}",
        chance.choice(PURPOSES),
        "sms",
        "+8619000010001",
        "text",
        chance.choice(list(DeliveryState)),
        NOON + timedelta(minutes=number // 3),
        variables,
        contract=task.contract,
        signer=task.signer,
        task=task.id,
        campus=task.campus,
        rung=chance.choice([0, 0, 1]),
    )


def _share(chance: random.Random, task: SigningTask) -> DeliveryItem:
    purpose = chance.choice([Purpose.REMINDER, Purpose.LAST_CALL, Purpose.INVITATION])
    return DeliveryItem(task.id, task.contract, task.signer, task.campus, purpose, chance.randrange(9))
