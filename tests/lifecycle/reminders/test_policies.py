"""Policies cascade from headquarters to the contract, and a changed policy moves steps that are planned already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from hub.errors import BadInput
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.reminders.change_policy import (
    MAX_CALENDAR_BYTES,
    MAX_DAYS,
    preview_plan,
    read_calendar,
)
from hub.lifecycle.reminders.extend_deadline import extend
from hub.lifecycle.reminders.reschedule import replan_scope
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.reminders.calendar import SchoolDay
from hub.model.staff.scope import EVERYTHING, Scope
from hub.router.policy import get_policy_at
from hub.store.reminders.policies import Kind, PolicyChange
from hub.web.api.answers import whole
from tests.lifecycle.clockwork import MORNING, SHANGHAI, StandingClock, follow, quiet_hub, round_of_work, sent
from tests.lifecycle.phone_changes import NEW, changed
from tests.lifecycle.reminders.test_reminders import ledger
from tests.lifecycle.signer import person, staff_tasks, tasks_of
from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def change(running: Running, campus: str, kind: Kind, subject: str, changes: Mapping[str, Any]) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.policies.put(PolicyChange(campus, kind, subject, changes), "staff:test", tx.now)


async def next_due(running: Running, contract: Contract) -> tuple[str, int, str]:
    (task,) = await tasks_of(running, contract)
    assert task.step
    return task.step.kind.value, task.step.number, f"{task.step.due_at:%m-%d %H:%M}"


async def test_each_level_changes_what_is_above_it_and_one_that_does_not_fit_is_left_out() -> None:
    async with quiet_hub() as running:
        base = running.hub.services.messaging.policy
        await change(running, "hq", "campus", "hq", {"messages_per_day": 1, "repeat_every": "5d"})
        await change(running, "hefei", "campus", "hefei", {"repeat_every": "6d", "window_opens": "10:00"})
        await change(running, "hefei", "course", "math-a", {"window_opens": "11:00"})
        await change(running, "beijing", "campus", "beijing", {"window_opens": "05:00"})  # by a more lenient version
        async with running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:  # it may read parents
            math = await get_policy_at(tx, base, "hefei", "math-a")
            english = await get_policy_at(tx, base, "hefei", "english-b")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            beijing = await get_policy_at(tx, base, "beijing", "math-a")
        assert (math.messages_per_day, math.repeat_every.days, math.window_opens.hour) == (1, 6, 11)
        assert (english.repeat_every.days, english.window_opens.hour) == (6, 10)
        assert (beijing.messages_per_day, beijing.repeat_every.days, beijing.window_opens.hour) == (1, 5, 9)


async def test_a_campus_cannot_write_the_policy_or_the_calendar_of_another() -> None:
    async with quiet_hub() as running:
        await change(running, "hq", "campus", "hq", {"messages_per_day": 1})
        for campus in ("hq", "beijing"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:
                    await tx.policies.put(PolicyChange(campus, "campus", campus, {"x": 1}), "staff:x", tx.now)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                async with running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:
                    await tx.policies.put_calendar(campus, [SchoolDay(date(2027, 1, 1), True, "x")])


async def test_a_changed_policy_moves_what_is_asleep_and_a_calendar_makes_it_wait() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=1, hours=1))
        assert await next_due(running, contract) == ("reminder", 2, "11-28 02:00")
        await change(running, "hefei", "course", "math-a", {"reminders_after": ["1d", "5d"], "last_call_before": "4d"})
        await replan_scope(running.hub.services, "beijing")
        assert await next_due(running, contract) == ("reminder", 2, "11-28 02:00")
        assert await replan_scope(running.hub.services, "hefei", "math-a", most=1) == contract.id
        assert await replan_scope(running.hub.services, "hefei", "math-a", contract.id, most=1) is None
        assert await next_due(running, contract) == ("reminder", 2, "11-30 02:00")
        assert (await ledger(running, contract.id))[-1] == ("planned", "reminder", "policy-changed")
        planned = len(await ledger(running, contract.id))
        await replan_scope(running.hub.services, "hefei")  # planning again changes nothing
        assert len(await ledger(running, contract.id)) == planned
        await change(running, "hefei", "campus", "hefei", {"skip_holidays": True})
        async with running.hub.database.transaction(EVERYTHING) as tx:
            closed = [SchoolDay(date(2026, 11, 30), False, "exams"), SchoolDay(date(2026, 12, 1), False, "exams")]
            await tx.policies.put_calendar("hefei", closed)
        clock.go_to(MORNING + timedelta(days=5))  # the step was planned before the calendar was known
        await round_of_work(running)
        assert ("skipped", "reminder", "closed-day") in await ledger(running, contract.id)
        assert (await next_due(running, contract))[2].startswith("12-02")
        await follow(running, clock, MORNING + timedelta(days=40))
        purposes = [each[0] for each in await sent(running, GUARDIAN_PHONE)]
        assert purposes[:3] == ["invitation", "reminder", "reminder"] and purposes[-2:] == ["last-call", "expired"]


async def test_a_policys_channels_come_before_the_signers_own() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor(deadline=MORNING + timedelta(days=4))
        await change(running, "hq", "campus", "hq", {"last_call_through": ["voice"]})
        await follow(running, clock, MORNING + timedelta(days=1, hours=12))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            given = (await whole(tx, running.hub.services, contract.id)).signers[0].next_step
        assert given and (given.kind, given.channel) == ("last-call", "voice")
        await follow(running, clock, MORNING + timedelta(days=5))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            made = {each.purpose: each.channel for each in await tx.deliveries.list_of_contract(contract.id)}
        assert (made["reminder"], made["last-call"]) == ("sms", "voice")


async def test_who_opts_out_is_reminded_by_another_way_and_the_ledger_says_where_there_is_none() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        guardian = NewSigner(
            Role.GUARDIAN,
            "陈建国",
            GUARDIAN_PHONE,
            GUARDIAN_ID,
            relation="父亲",
            channels=("sms", "email"),
            email="parent@example.org",
        )
        both, alone = await running.issue_minor(signers=(guardian,)), await running.issue_minor()
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.opt_outs.add(GUARDIAN_PHONE, "sms", tx.now, "inbound")
        await follow(running, clock, MORNING + timedelta(days=1))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            first, *more = [each.channel for each in await tx.deliveries.list_of_contract(both.id)]
            assert first == "sms" and set(more) == {"email"}  # the reminder, and the invitation's next channel
            assert [each.channel for each in await tx.deliveries.list_of_contract(alone.id)] == ["sms"]
            await tx.opt_outs.remove(GUARDIAN_PHONE)
        assert ("skipped", "reminder", "opted-out") in await ledger(running, alone.id)
        assert "opted-out" in await staff_tasks(running, alone.id)
        assert await next_due(running, alone) == ("reminder", 2, "11-28 02:00")
        await follow(running, clock, MORNING + timedelta(days=3))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for contract in (both, alone):
                assert (await tx.deliveries.list_of_contract(contract.id))[-1].channel == "sms"


async def test_a_phone_change_begins_anew_with_the_new_number_and_one_next_step() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=3, hours=1))
        await changed(running, await person(running, contract))
        await round_of_work(running)
        assert [purpose for purpose, _ in await sent(running, NEW)] == ["invitation"]
        assert await next_due(running, contract) == ("reminder", 1, "11-29 03:00")
        await follow(running, clock, MORNING + timedelta(days=40))
        assert len(await sent(running, GUARDIAN_PHONE)) == 3  # what was sent to the old number before


async def test_after_a_phone_change_neither_a_new_policy_nor_more_time_counts_what_the_old_number_got() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=7, hours=1))  # three reminders
        await changed(running, await person(running, contract))
        await round_of_work(running)
        first = ("reminder", 1, "12-03 03:00")
        assert await next_due(running, contract) == first
        await change(running, "hefei", "campus", "hefei", {"messages_per_day": 1})
        await replan_scope(running.hub.services, "hefei")
        assert await next_due(running, contract) == first
        await extend(running.hub.services, EVERYTHING, contract.id, clock() + timedelta(days=2, hours=6), "staff:test")
        assert (await next_due(running, contract))[0] == "last-call"
        await extend(running.hub.services, EVERYTHING, contract.id, MORNING + timedelta(days=40), "staff:test")
        assert await next_due(running, contract) == first


async def test_another_way_of_what_the_old_number_missed_does_not_count_as_the_new_numbers_reminder() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=7, hours=1))
        await changed(running, await person(running, contract))
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            third = [each for each in await tx.deliveries.list_of_contract(contract.id) if each.purpose == "reminder"][
                -1
            ]
            another = replace(third, id=uuid4(), key=f"{third.key}+email", rung=1, created_at=tx.now)
            assert third.variables["step_number"] == "3" and await tx.deliveries.add(another)
        await change(running, "hefei", "campus", "hefei", {"messages_per_day": 1})
        await replan_scope(running.hub.services, "hefei")
        assert await next_due(running, contract) == ("reminder", 1, "12-03 03:00")


async def test_what_the_page_promises_of_a_policy_goes_out_also_where_there_were_more_reminders_before() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await running.issue_minor()
        daily = {"reminders_after": [f"{day}d" for day in range(1, 7)], "repeat_every": "1d"}
        await change(running, "hefei", "campus", "hefei", daily)
        await replan_scope(running.hub.services, "hefei")
        await follow(running, clock, MORNING + timedelta(days=6, hours=2))
        assert [purpose for purpose, _ in await sent(running, GUARDIAN_PHONE)] == ["invitation", *["reminder"] * 6]
        await change(running, "hefei", "campus", "hefei", {})
        await replan_scope(running.hub.services, "hefei")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            here = await get_policy_at(tx, running.hub.services.messaging.policy, "hefei", "math-a")
        shown = [(step.kind.value, step.due_at) for step in preview_plan(here, MORNING, SHANGHAI)]
        promised = [(kind, f"{due.astimezone(SHANGHAI):%m-%d}") for kind, due in shown if due > clock()]
        assert [kind for kind, _ in promised] == [*["reminder"] * 3, "last-call", "expiry"]
        await follow(running, clock, MORNING + timedelta(days=40))
        came = [(kind, at[:5]) for kind, at in await sent(running, GUARDIAN_PHONE)]
        assert came[7:-1] == promised[:-1]


async def test_a_calendar_is_read_no_further_than_it_can_be_one() -> None:
    days = [f"{date(2027, 1, 1) + timedelta(days=number)},closed,假期\x00\n" for number in range(MAX_DAYS)]
    assert [each.name for each in read_calendar("".join(days).encode())] == ["假期"] * MAX_DAYS
    for data, why in (
        ("".join([*days, "2031-01-01,open,x\n", "no line of a calendar"]).encode(), f"at most {MAX_DAYS} days"),
        (b"2027-01-01,closed,a\n2027-01-02,closed," + b"x" * 200_000, "line 2"),  # the csv module reads no such cell
        (b"\n" * (MAX_CALENDAR_BYTES + 1), "too long"),
    ):
        with pytest.raises(BadInput, match=why):
            read_calendar(data)
