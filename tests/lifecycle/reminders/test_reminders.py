"""Reminders until completed: a contract is followed over weeks by a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import pytest

from hub.errors import IllegalMove, TooSoon
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.contract.reissue import reissue_until
from hub.lifecycle.reminders.extend_deadline import extend
from hub.lifecycle.reminders.run_due import run_step
from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract import ContractState
from hub.model.contract.signer import Role, TaskState
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.tasks import ClaimedTask
from hub.worker.due_step_loop import LEASE
from tests.connected_providers import carried_by
from tests.lifecycle.clockwork import (
    MORNING,
    NIGHT,
    SHANGHAI,
    StandingClock,
    follow,
    quiet_hub,
    remind_now,
    round_of_work,
    sent,
    waiting,
)
from tests.lifecycle.people import MOTHER_PHONE, father, mother
from tests.lifecycle.signer import contract_now, deliver, person, signed, staff_tasks, tasks_of
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEEKS = timedelta(days=40)


async def ledger(running: Running, contract_id: UUID) -> list[tuple[str, str | None, str | None]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.reminders.list_of_contract(contract_id)
    return [(each["kind"], each["step"], each["reason"]) for each in entries]


async def test_an_unsigned_contract_gets_the_policys_messages_at_the_policys_times() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=MORNING + timedelta(days=30))
        await follow(running, clock, MORNING + WEEKS)
        assert await sent(running, GUARDIAN_PHONE) == [
            ("invitation", "11-25 10:00"),
            ("reminder", "11-26 10:00"),
            ("reminder", "11-28 10:00"),
            ("reminder", "12-02 10:00"),
            ("reminder", "12-09 10:00"),
            ("reminder", "12-16 10:00"),
            ("last-call", "12-23 10:00"),
            ("expired", "12-25 10:00"),
        ]
        assert (await contract_now(running, contract)).state is ContractState.EXPIRED
        assert [task.state for task in await tasks_of(running, contract)] == [TaskState.CLOSED]
        kinds = Counter(kind for kind, _, _ in await ledger(running, contract.id))
        assert kinds == {"sent": 7, "receipt": 7, "planned": 8, "stopped": 1}


@pytest.mark.parametrize("send", ["now", "policy", "none"])
async def test_nothing_that_we_start_arrives_in_quiet_hours(send: str) -> None:
    clock = StandingClock(moment=NIGHT)
    async with quiet_hub(clock) as running:
        await running.issue_minor(send=send)
        await follow(running, clock, NIGHT + WEEKS)
        messages = [(each["purpose"], datetime.fromisoformat(each["at"])) for each in await running.messages()]
    if send == "now":
        assert messages.pop(0) == ("invitation", NIGHT)  # staff asked for it at this hour
    for purpose, at in messages:
        assert time(9) <= at.astimezone(SHANGHAI).time() < time(21), purpose
    first = ["invitation"] if send == "policy" else []  # the deadline is at night, so the news of it waits
    assert [purpose for purpose, _ in messages] == [*first, *["reminder"] * 5, "last-call"]
    if send == "policy":
        assert messages[0][1] - NIGHT < timedelta(days=1)


async def test_of_a_deadline_at_night_whoever_was_written_to_hears_in_the_morning() -> None:
    clock = StandingClock()
    deadline = MORNING + timedelta(hours=13, minutes=59)
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=(father(),), deadline=deadline)
        await running.issue_minor(signers=(mother(),), deadline=deadline, send="none")  # without any message before
        await follow(running, clock, deadline)
        assert clock().astimezone(SHANGHAI).time() == time(23, 59)
        assert (await contract_now(running, contract)).state is ContractState.EXPIRED
        while [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation"]:
            clock.advance(timedelta(minutes=10))
            assert clock() < deadline + timedelta(days=1)
            await round_of_work(running)
            await deliver(running)
        assert time(9) <= clock().astimezone(SHANGHAI).time() < time(21)
        clock.advance(timedelta(days=1))
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "expired"]
        assert await sent(running, MOTHER_PHONE) == []


async def test_nobody_hears_of_the_end_of_a_contract_that_a_new_one_replaced_meanwhile() -> None:
    clock = StandingClock()
    deadline = MORNING + timedelta(hours=13, minutes=59)
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(signers=(father(),), deadline=deadline)
        await follow(running, clock, deadline)
        assert (await contract_now(running, contract)).state is ContractState.EXPIRED
        until_then = deadline + timedelta(days=9)
        await reissue_until(running.hub.services, EVERYTHING, contract.id, until_then, "staff:test")
        await follow(running, clock, deadline + timedelta(days=2))
        purposes = [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)]
        assert purposes[:2] == ["invitation", "invitation"] and "expired" not in purposes


async def test_a_code_comes_at_any_hour() -> None:
    clock = StandingClock(moment=NIGHT)
    async with quiet_hub(clock) as running:
        guardian = await person(running, await running.issue_minor(send="policy"))
        await round_of_work(running)
        await guardian.enter()
        assert await sent(running, GUARDIAN_PHONE) == [("code", "11-25 23:00")]


async def test_after_signing_there_is_nothing_more_to_come() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=5))
        await signed(running, contract)
        (task,) = await tasks_of(running, contract)
        assert (task.state, task.step) == (TaskState.SIGNED, None)  # in the signature's transaction, not later
        assert (await ledger(running, contract.id))[-1] == ("stopped", "reminder", "signed")
        await advance(running.hub.services, contract.id)
        await deliver(running)
        before = await sent(running, GUARDIAN_PHONE)
        assert before[-1][0] == "completed"
        await follow(running, clock, MORNING + WEEKS)
        assert await sent(running, GUARDIAN_PHONE) == before


async def test_a_step_that_is_due_while_the_signer_signs_sends_nothing() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        clock.advance(timedelta(days=1, hours=1))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(clock(), timedelta(minutes=1), 5)
        await signed(running, contract)  # between the claim and the step
        assert [await run_step(running.hub.services, each) for each in claimed] == [None]
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "code"]


async def test_one_person_gets_at_most_two_planned_messages_a_day() -> None:
    clock = StandingClock()
    async with quiet_hub(clock, configured={"reminders": {"bundle": False}}) as running:
        for _ in range(4):
            await running.issue_minor()
        await follow(running, clock, MORNING + WEEKS)
        days = Counter(
            (datetime.fromisoformat(each["at"]).astimezone(SHANGHAI).date())
            for each in await running.messages()
            if each["purpose"] in {"reminder", "last-call"}
        )
        assert max(days.values()) == 2
        assert sum(days.values()) >= 16


async def test_what_was_held_back_overnight_is_spread_over_the_window() -> None:
    clock = StandingClock(moment=NIGHT)
    async with quiet_hub(clock) as running:
        for number in range(10):
            phone = f"+861900000020{number}"
            signer = NewSigner(Role.GUARDIAN, "陈建国", phone, GUARDIAN_ID, relation="父亲")
            await running.issue_minor(send="policy", signers=(signer,))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            tasks = [
                task
                for contract in await tx.contracts.list_page()
                for task in await tx.tasks.list_of_contract(contract.id)
            ]
        dues = sorted(task.step.due_at for task in tasks if task.step)
        assert len(set(dues)) >= 8  # two of ten meet in one of the window's seconds once in 600 nights
        assert dues[-1] - dues[0] > timedelta(hours=1)


async def test_a_demo_clock_that_jumps_three_weeks_sends_one_reminder_and_no_burst() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.school.advance_clock(timedelta(days=21))
        await round_of_work(running)
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", "reminder"]
        (task,) = await tasks_of(running, contract)
        assert task.step is not None
        assert task.step.due_at > MORNING + timedelta(days=21)


async def test_moving_the_deadline_plans_anew_and_a_second_last_call_is_sent() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=MORNING + timedelta(days=6))
        await follow(running, clock, MORNING + timedelta(days=5))
        assert (await sent(running, GUARDIAN_PHONE))[-1] == ("last-call", "11-29 10:00")
        await extend(running.hub.services, EVERYTHING, contract.id, MORNING + timedelta(days=16), "staff:test")
        await follow(running, clock, MORNING + timedelta(days=15, hours=12))
        assert await staff_tasks(running, contract.id) == ["unreached", "unanswered"]  # nobody opened the last call
        await follow(running, clock, MORNING + WEEKS)
        assert (await sent(running, GUARDIAN_PHONE))[3:] == [
            ("last-call", "11-29 10:00"),
            ("reminder", "12-02 10:00"),
            ("last-call", "12-09 10:00"),
            ("expired", "12-11 10:00"),
        ]
        assert await staff_tasks(running, contract.id) == []  # there is nothing left to sign


async def test_a_voided_contract_says_so_once_and_then_nothing() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=2))
        for _ in range(2):
            await void(running.hub.services, EVERYTHING, contract.id, "wrong course", "staff:test")
        await deliver(running)
        await follow(running, clock, MORNING + WEEKS)
        purposes = [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)]
        assert purposes == ["invitation", "reminder", "withdrawn"]


async def test_reminders_by_hand_have_their_limits() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        contract = await running.issue_minor()
        await round_of_work(running)
        with pytest.raises(TooSoon) as refused:
            await remind_now(services, contract.id)
        assert refused.value.retry_after == timedelta(minutes=30)
        for _ in range(3):
            clock.advance(timedelta(minutes=31))
            assert len(await remind_now(services, contract.id)) == 1
        clock.advance(timedelta(minutes=31))
        with pytest.raises(TooSoon) as refused:
            await remind_now(services, contract.id)
        midnight = datetime(2026, 11, 26, tzinfo=SHANGHAI).astimezone(UTC)
        assert refused.value.retry_after == midnight - clock()
        await deliver(running)
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation"] + ["reminder"] * 3
        await void(services, EVERYTHING, contract.id, "over", "staff:test")
        with pytest.raises(IllegalMove):
            await remind_now(services, contract.id)


async def test_an_invitation_that_an_outage_made_late_is_not_sent_at_night() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await running.issue_minor()
        clock.go_to(NIGHT)  # no worker ran for thirteen hours
        await follow(running, clock, NIGHT + timedelta(days=1))
        ((purpose, at), *_) = await sent(running, GUARDIAN_PHONE)
        assert purpose == "invitation" and at.startswith("11-26")


async def test_a_signer_whom_no_channel_reaches_is_given_to_staff_once() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        running.hub.services.messaging.router.providers = carried_by()  # as in a hub without configured channels
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=8))
        assert await staff_tasks(running, contract.id) == ["unreachable"]
        assert ("failed", "reminder", "no-channel") in await ledger(running, contract.id)


async def test_a_step_whose_message_was_written_before_only_goes_on_to_the_next_one() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        (before,) = await tasks_of(running, contract)
        assert before.step
        await round_of_work(running)
        (after,) = await tasks_of(running, contract)
        noted = await ledger(running, contract.id)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.contracts.lock_contract(contract.id)
            assert await tx.tasks.plan(before.id, before.step)
        await round_of_work(running)
        assert [task.step for task in await tasks_of(running, contract)] == [after.step]
        assert await sent(running, GUARDIAN_PHONE) == [("invitation", "11-25 10:00")]
        assert (await ledger(running, contract.id))[len(noted) :] == [("planned", "reminder", None)]
        assert await staff_tasks(running, contract.id) == []


async def test_a_step_that_another_worker_has_taken_meanwhile_is_undone() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await round_of_work(running)
        before, services = await ledger(running, contract.id), running.hub.services
        clock.advance(timedelta(days=1))
        (slow,) = await _claimed(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.sessions.lock_persons((await tx.contracts.list_signers(contract.id))[0].person)
            running_late = asyncio.create_task(run_step(services, slow))
            await until(lambda: waiting(running, 1))
            clock.advance(LEASE)
            (quick,) = await _claimed(running)
        assert await running_late is None
        async with running.hub.database.transaction(EVERYTHING) as tx:  # nor does its failure put off the other one's
            assert not await tx.tasks.put_back(slow, clock() + timedelta(hours=1))
        assert await ledger(running, contract.id) == before
        assert await run_step(services, quick)
        assert [kind for kind, _, _ in await ledger(running, contract.id)][len(before) :] == ["sent", "planned"]


async def _claimed(running: Running) -> list[ClaimedTask]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.tasks.claim_due(tx.planning_now, LEASE, 10)
