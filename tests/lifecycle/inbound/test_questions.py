"""Questions and "not me": a number gets no reminders until staff have closed the task about it, and no longer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from hub.errors import TooSoon
from hub.lifecycle.signing.questions import QUESTIONS_A_DAY, ask
from hub.lifecycle.staff.signer_questions import finish_staff_task
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import SigningTask, TaskState
from hub.model.reminders.schedule import StepKind
from hub.model.staff.scope import EVERYTHING
from tests.lifecycle.clockwork import MORNING, StandingClock, follow, quiet_hub, sent, waiting
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import person, record_of, staff_tasks, tasks_of
from tests.running import GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_silence_and_its_end_reach_every_task_at_the_number_however_many_there_are() -> None:
    async with quiet_hub(StandingClock()) as running:
        contract = await running.issue_minor()
        for _ in range(50):  # newer contracts that have ended
            await _ended_copy(running, contract)
        stranger = await person(running, contract)
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "")
        assert (await tasks_of(running, contract))[0].paused
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
        assert await finish_staff_task(running.hub.services, EVERYTHING, task.id, "staff:test")
        assert not (await tasks_of(running, contract))[0].paused


async def test_another_signer_of_the_contract_is_reminded_all_the_same() -> None:
    async with quiet_hub(StandingClock()) as running:
        contract = await running.issue_minor(signers=two_guardians(1, 1))
        stranger = await person(running, contract)
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "")
        paused = {each.signer for each in await tasks_of(running, contract) if each.paused}
        assert paused == {stranger.signer.id}


async def _ended_copy(running: Running, contract: Contract) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        copy = replace(
            contract,
            id=uuid4(),
            number=await tx.contracts.take_number(2026),
            state=ContractState.VOIDED,
            created_at=tx.now + timedelta(seconds=1),
        )
        await tx.contracts.add(copy, "")
        fresh = replace(signer, id=uuid4(), contract=copy.id)
        await tx.contracts.add_signer(fresh, b"")
        await tx.tasks.add(SigningTask(uuid4(), copy.id, fresh.id, copy.campus, TaskState.CLOSED, 1))


async def test_a_question_is_settled_and_reminders_go_on_at_once_or_neither() -> None:
    async with quiet_hub(StandingClock()) as running:
        contract = await running.issue_minor()
        stranger = await person(running, contract)
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
        async with running.hub.database.transaction(EVERYTHING) as sending:
            await sending.contracts.lock_contract(contract.id)
            settling = asyncio.create_task(finish_staff_task(running.hub.services, EVERYTHING, task.id, "staff:test"))
            await until(partial(waiting, running, 1))
            assert [each.id for each in await sending.staff_tasks.list_open_tasks(contract.id)] == [task.id]
            settling.cancel()  # the process dies here
        with pytest.raises(asyncio.CancelledError):
            await settling
        assert await finish_staff_task(running.hub.services, EVERYTHING, task.id, "staff:test")
        assert not (await tasks_of(running, contract))[0].paused


@pytest.mark.parametrize("after", [1, 11], ids=["by day", "at night"])
async def test_a_last_call_that_silence_swallowed_comes_once_the_question_is_settled(after: int) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=MORNING + timedelta(days=4))
        await follow(running, clock, MORNING + timedelta(days=1))
        stranger = await person(running, contract)
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "")
        await follow(running, clock, MORNING + timedelta(days=2, hours=after))
        (task,) = await tasks_of(running, contract)
        assert task.step and task.step.kind is StepKind.EXPIRY
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (asked,) = [each for each in await tx.staff_tasks.list_open_tasks(contract.id) if each.kind == "not-me"]
        assert await finish_staff_task(running.hub.services, EVERYTHING, asked.id, "staff:test")
        await follow(running, clock, MORNING + timedelta(days=5))
        messages = await sent(running, GUARDIAN_PHONE)
        assert [purpose for purpose, _ in messages] == ["invitation", "reminder", "last-call", "expired"]
        assert messages[2][1].startswith("11-27 11:00" if after == 1 else "11-28")


async def test_a_last_call_that_was_sent_is_not_planned_again_when_a_question_is_settled() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=MORNING + timedelta(days=4))
        await follow(running, clock, MORNING + timedelta(days=3))
        before = await tasks_of(running, contract)
        stranger = await person(running, contract)
        await stranger.land()
        await ask(running.hub.services, stranger.secret, "not-me", "")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (asked,) = [each for each in await tx.staff_tasks.list_open_tasks(contract.id) if each.kind == "not-me"]
        assert await finish_staff_task(running.hub.services, EVERYTHING, asked.id, "staff:test")
        assert await tasks_of(running, contract) == before


async def test_what_was_said_already_is_not_said_again_and_nobody_asks_without_end() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        stranger = await person(running, contract)
        await stranger.land()
        services, secret = running.hub.services, stranger.secret
        for _ in range(3 * QUESTIONS_A_DAY):
            await ask(services, secret, "not-me", "")
        assert await staff_tasks(running, contract.id) == ["not-me"]
        assert (await record_of(running, contract)).count("question-asked") == 1
        for number in range(1, QUESTIONS_A_DAY):
            await ask(services, secret, "question", f"And what about {number}?")
        with pytest.raises(TooSoon):
            await ask(services, secret, "question", "And that?")
        assert len(await staff_tasks(running, contract.id)) == QUESTIONS_A_DAY
        assert (await record_of(running, contract)).count("question-asked") == QUESTIONS_A_DAY
        clock.advance(timedelta(days=1))
        await stranger.land()
        await ask(services, stranger.secret, "question", "And that?")
