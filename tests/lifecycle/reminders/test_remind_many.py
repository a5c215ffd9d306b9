"""Hundreds of reminders at once: what the preview counts is what happens, and nothing happens twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub.errors import BadInput, ContractNotFound
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.reminders.bulk_remind import BulkOutcome, begin_reminding, preview_reminding, remind_many
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.reminders.calendar import SchoolDay
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.reminders.policies import PolicyChange
from tests.commits import failing_before_commit
from tests.lifecycle.clockwork import MORNING, NIGHT, StandingClock, follow, quiet_hub, remind_now, round_of_work, sent
from tests.lifecycle.signer import deliver, tasks_of
from tests.poster_visits import cn_id
from tests.running import GUARDIAN_PHONE, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARENTS = [f"+8619000000{number}" for number in range(301, 320)]


async def issue_to(running: Running, number: int) -> Contract:
    guardian = NewSigner(Role.GUARDIAN, "陈建国", PARENTS[number], cn_id("19850101", 100 + number), relation="父亲")
    return await running.issue_minor(signers=(guardian,))


async def outcomes(running: Running, act: UUID) -> Counter[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.bulk_reminders.find_counts(act)
    assert found and found.left == 0
    return Counter(found.counts)


async def reminders(running: Running, contracts: list[Contract]) -> list[int]:
    """Return how many reminders by hand each contract has got."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = [await tx.deliveries.list_of_contract(contract.id) for contract in contracts]
    return [sum(each.key.startswith("hand-") for each in deliveries) for deliveries in found]


async def test_what_the_preview_counts_is_what_happens() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services = running.hub.services
        plain, sibling, other, paused, bad, fresh, gone = [await issue_to(running, n) for n in (0, 1, 1, 3, 4, 5, 6)]
        await round_of_work(running)
        clock.advance(timedelta(hours=23, minutes=30))  # the plan's first reminder comes half an hour later
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.tasks.pause((await tx.tasks.list_of_contract(paused.id))[0].id, True)
            await tx.connection.execute(
                text("UPDATE delivery SET state = 'undelivered', failure_kind = 'address' WHERE contract = :bad"),
                {"bad": bad.id},
            )
        await remind_now(services, fresh.id)
        await void(services, EVERYTHING, gone.id, "wrong", "staff:test")
        everybody = [each.id for each in (plain, sibling, other, paused, bad, fresh, gone)]
        shown = (await preview_reminding(services, EVERYTHING, everybody)).counts
        assert shown == {
            BulkOutcome.SENT: 2,
            BulkOutcome.TOO_SOON: 2,
            BulkOutcome.PAUSED: 1,
            BulkOutcome.BAD_NUMBER: 1,
            BulkOutcome.NOBODY: 1,  # the contract without an open task, of which the act has no row
        }
        assert await reminders(running, [plain, sibling, other]) == [0, 0, 0]  # a preview changes nothing
        act = await begin_reminding(services, EVERYTHING, everybody, "staff:test")
        await remind_many(services, act)
        assert await outcomes(running, act) == Counter(
            {str(verdict): count for verdict, count in shown.items() if verdict is not BulkOutcome.NOBODY}
        )
        assert await reminders(running, [plain, paused, bad, fresh]) == [1, 0, 0, 1]
        assert sum(await reminders(running, [sibling, other])) == 1  # one parent, one message
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (entry,) = [each for each in await tx.record.list_entries(plain.id) if each.kind == "reminded-by-hand"]
        assert entry.actor == "staff:test"


async def test_a_job_that_is_killed_and_run_twice_sends_nothing_twice() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contracts = running.hub.services, [await issue_to(running, number) for number in range(5)]
        await round_of_work(running)
        clock.advance(timedelta(hours=2))
        act = uuid4()
        for _ in range(2):  # the form was sent twice
            await begin_reminding(services, EVERYTHING, [each.id for each in contracts], "staff:test", act)
        # The third reminder: the first commit is that of the query for what is left.
        with (
            failing_before_commit(running.hub.database, 4, asyncio.CancelledError()),
            pytest.raises(asyncio.CancelledError),
        ):
            await remind_many(services, act)
        assert sum(await reminders(running, contracts)) == 2
        await asyncio.gather(remind_many(services, act), remind_many(services, act))
        assert not await remind_many(services, act)
        assert await reminders(running, contracts) == [1] * 5
        assert await outcomes(running, act) == {"sent": 5}
        await deliver(running)
        for phone in PARENTS[:5]:
            assert [purpose for purpose, _ in await sent(running, phone)] == ["invitation", "reminder"]
        second = await begin_reminding(services, EVERYTHING, [each.id for each in contracts], "staff:test")
        await remind_many(services, second)
        assert await outcomes(running, second) == {"too-soon": 5}


async def test_at_night_they_wait_for_the_window_as_the_tasks_own_next_step() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract = await issue_to(running, 0)
        await follow(running, clock, NIGHT + timedelta(days=3))  # the next reminder is days away
        preview = await preview_reminding(running.hub.services, EVERYTHING, [contract.id])
        assert preview.counts == {BulkOutcome.MORNING: 1}
        before = await sent(running, PARENTS[0])
        act = await begin_reminding(running.hub.services, EVERYTHING, [contract.id], "staff:test")
        await remind_many(running.hub.services, act)
        assert await outcomes(running, act) == {"morning": 1}
        (task,) = await tasks_of(running, contract)
        assert task.step and task.step.number == 3 and task.step.due_at - clock() < timedelta(hours=22)
        assert preview.first_at == task.step.due_at
        await follow(running, clock, NIGHT + timedelta(days=4))
        after = await sent(running, PARENTS[0])
        assert len(after) == len(before) + 1 and after[-1][0] == "reminder" and "09:00" <= after[-1][1][6:] < "21:00"
        await follow(running, clock, MORNING + timedelta(days=40))
        assert [purpose for purpose, _ in await sent(running, PARENTS[0])][-2:] == ["last-call", "expired"]


async def test_on_closed_days_up_to_the_deadline_they_are_reminded_all_the_same() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contract = running.hub.services, await running.issue_minor(deadline=MORNING + timedelta(days=8))
        await follow(running, clock, MORNING + timedelta(days=4))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.policies.put(PolicyChange("hefei", "campus", "hefei", {"skip_holidays": True}), "test", tx.now)
            closed = [SchoolDay(MORNING.date() + timedelta(days=4 + day), False, "exams") for day in range(7)]
            await tx.policies.put_calendar("hefei", closed)
        assert (await preview_reminding(services, EVERYTHING, [contract.id])).counts == {BulkOutcome.SENT: 1}
        clock.go_to(NIGHT + timedelta(days=4))
        assert (await preview_reminding(services, EVERYTHING, [contract.id])).counts == {BulkOutcome.MORNING: 1}
        act = await begin_reminding(services, EVERYTHING, [contract.id], "staff:test")
        await remind_many(services, act)
        assert await outcomes(running, act) == {"morning": 1}
        before = await sent(running, GUARDIAN_PHONE)
        await follow(running, clock, NIGHT + timedelta(days=5))
        (purpose, at), *others = (await sent(running, GUARDIAN_PHONE))[len(before) :]
        assert purpose == "reminder" and "11-30 09:00" <= at < "11-30 21:00" and not others


async def test_a_deadline_before_messages_may_go_out_has_a_word_of_its_own() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, contract = running.hub.services, await running.issue_minor(deadline=NIGHT + timedelta(hours=9))
        await round_of_work(running)
        clock.go_to(NIGHT)
        assert (await preview_reminding(services, EVERYTHING, [contract.id])).counts == {BulkOutcome.TOO_LATE: 1}
        act = await begin_reminding(services, EVERYTHING, [contract.id], "staff:test")
        await remind_many(services, act)
        assert await outcomes(running, act) == {"too-late": 1}
        assert await reminders(running, [contract]) == [0]


async def test_nobody_and_other_peoples_contracts_are_refused() -> None:
    async with quiet_hub() as running:
        services, contract = running.hub.services, await issue_to(running, 0)
        with pytest.raises(BadInput):
            await begin_reminding(services, EVERYTHING, [], "staff:test")
        with pytest.raises(ContractNotFound):
            await begin_reminding(services, Scope(frozenset({"beijing"})), [contract.id], "staff:test")
        with pytest.raises(ContractNotFound):
            await preview_reminding(services, Scope(frozenset({"beijing"})), [contract.id])
