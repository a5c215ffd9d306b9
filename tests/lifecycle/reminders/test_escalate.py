"""If reminders have no effect, there is a staff task with an owner, a due time and a digest, and the contract stays
open."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from hub.errors import BadInput, NotFound
from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.reminders.change_policy import change_policy
from hub.lifecycle.reminders.escalate import UNANSWERED, assign_task, escalate_tasks, take_task
from hub.lifecycle.staff.api_keys import add_key, list_keys
from hub.lifecycle.staff.change_phone import turn_down
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.lifecycle.staff.signer_questions import finish_moot_tasks
from hub.model.contract.contract import Contract
from hub.model.contract.signer import TaskState
from hub.model.staff.accounts import Staff, StaffTask
from hub.model.staff.phone_change import PHONE_CHANGE
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.reminders.policies import PolicyPlace
from tests.alerts.hook import hook
from tests.lifecycle.clockwork import MORNING, SHANGHAI, StandingClock, follow, quiet_hub, round_of_work, sent
from tests.lifecycle.phone_changes import NEW, asked, changed
from tests.lifecycle.signer import person, signed, tasks_of
from tests.running import Running, minor_with_guardian

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEOPLE = (
    ("wang", "hefei", StaffRole.CLERK),
    ("li", "hefei", StaffRole.CLERK),
    ("zhao", "hefei", StaffRole.CAMPUS_MANAGER),
    ("sun", "beijing", StaffRole.CLERK),
)
WEEKS = timedelta(days=29)


async def staffed(running: Running, people: Sequence[tuple[str, str, StaffRole]] = PEOPLE) -> dict[str, UUID]:
    found = {}
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for login, campus, role in people:
            staff = Staff(uuid4(), login, login.title(), campus, role)
            await tx.accounts.put_staff(staff, "no password", tx.now)
            found[login] = staff.id
    return found


async def issued_by(running: Running, staff: UUID | None) -> Contract:
    actor = f"staff:{staff}" if staff else "key:program"
    return await issue(running.hub.services, EVERYTHING, minor_with_guardian(), actor)


async def the_task(running: Running, contract: Contract, kind: str = UNANSWERED) -> StaffTask:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = [each for each in await tx.staff_tasks.list_open_tasks(contract.id) if each.kind == kind]
    return task


async def kinds(running: Running, contract: Contract) -> list[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [each.kind for each in await tx.staff_tasks.list_open_tasks(contract.id)]


async def test_the_third_unanswered_reminder_gives_the_issuer_a_task_and_reminders_go_on() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        people = await staffed(running)
        contract = await issued_by(running, people["wang"])
        await follow(running, clock, MORNING + timedelta(days=6))
        assert UNANSWERED not in await kinds(running, contract)
        await follow(running, clock, MORNING + timedelta(days=7))
        task = await the_task(running, contract)
        assert (task.owner, task.taken_at, task.signer is not None) == (people["wang"], None, True)
        assert task.due_at == MORNING + timedelta(days=9)
        (waiting,) = await tasks_of(running, contract)
        assert waiting.state is TaskState.OPEN and waiting.step and waiting.step.number == 4
        await follow(running, clock, MORNING + WEEKS)
        assert (await the_task(running, contract)).id == task.id  # not one task for each reminder


async def test_it_is_settled_by_itself_when_the_signer_signs_or_the_contract_ends() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await staffed(running)
        both = [await running.issue_minor() for _ in range(2)]
        await follow(running, clock, MORNING + timedelta(days=8))
        assert [UNANSWERED in await kinds(running, each) for each in both] == [True, True]
        await signed(running, both[0])
        await void(running.hub.services, EVERYTHING, both[1].id, "wrong course", "staff:test")
        await round_of_work(running)
        assert [UNANSWERED in await kinds(running, each) for each in both] == [False, False]


async def test_after_a_phone_change_the_new_numbers_third_unanswered_reminder_is_the_third() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        await staffed(running)
        contract = await running.issue_minor()
        await follow(running, clock, MORNING + timedelta(days=1, hours=1))  # one reminder to the old number
        await changed(running, await person(running, contract))
        await follow(running, clock, MORNING + timedelta(days=7, hours=1))
        assert UNANSWERED not in await kinds(running, contract)
        await follow(running, clock, MORNING + timedelta(days=8, hours=1))
        assert [purpose for purpose, _ in await sent(running, NEW)] == ["invitation", *["reminder"] * 3]
        assert UNANSWERED in await kinds(running, contract)


@pytest.mark.parametrize(
    ("named", "issuer", "expected"),
    [("li", "wang", "li"), ("", "wang", "wang"), ("", None, "zhao"), ("", "sun", "zhao"), ("nobody", "wang", "wang")],
)
async def test_a_task_goes_to_whom_the_policy_names_then_to_the_issuer_then_to_the_manager(
    named: str, issuer: str | None, expected: str
) -> None:
    clock = StandingClock()
    configured = {"reminders": {"escalate_after": 1, "escalate_to": named}}
    async with quiet_hub(clock, configured=configured) as running:
        people = await staffed(running)
        contract = await issued_by(running, people[issuer] if issuer else None)
        await follow(running, clock, MORNING + timedelta(days=1))
        assert (await the_task(running, contract)).owner == people[expected]


async def test_what_nobody_takes_climbs_to_the_manager_and_what_is_taken_stays() -> None:
    clock = StandingClock()
    async with quiet_hub(clock, configured={"reminders": {"escalate_after": 1}}) as running:
        services, people = running.hub.services, await staffed(running)
        left, taken, handed = [await issued_by(running, people["wang"]) for _ in range(3)]
        await follow(running, clock, MORNING + timedelta(days=1))
        wang = Staff(people["wang"], "wang", "Wang", "hefei")
        await take_task(services, Scope(frozenset({"hefei"})), (await the_task(running, taken)).id, wang)
        await assign_task(services, EVERYTHING, (await the_task(running, handed)).id, "li")
        assert (await the_task(running, handed)).owner == people["li"]
        await follow(running, clock, MORNING + timedelta(days=2, hours=1))
        await round_of_work(running)
        owners = [(await the_task(running, each)).owner for each in (left, taken, handed)]
        assert owners == [people["zhao"], people["wang"], people["zhao"]]
        for scope, login, error in (
            (EVERYTHING, "sun", BadInput),
            (EVERYTHING, "x", BadInput),
            (Scope(frozenset({"beijing"})), "li", NotFound),
        ):
            with pytest.raises(error):
                await assign_task(services, scope, (await the_task(running, left)).id, login)


@pytest.mark.parametrize(
    ("asker", "by_key", "expected"),
    [("wang", False, "zhao"), ("zhao", False, "demo"), ("zhao", True, "demo"), ("demo", False, "zhao")],
)
async def test_nobody_is_given_the_approval_of_what_they_asked_for(asker: str, by_key: bool, expected: str) -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        services, people = running.hub.services, await staffed(running, [PEOPLE[0], PEOPLE[2]])
        async with running.hub.database.transaction(EVERYTHING) as tx:
            known = {each.login: each for each in await tx.owners.list_at(["hefei", "hq"])}
        contract = await issued_by(running, people.get(asker))  # who issues a contract gets the tasks about it
        await add_key(services, "crm", "hefei", known[asker].actor)  # whoever made a key has seen its secret
        (key,) = [each.key.id for each in await list_keys(services) if each.key.name == "crm"]
        by = f"api:{key}" if by_key else known[asker].actor
        change = await asked(running, await person(running, contract), by=by)
        await escalate_tasks(services)
        task = await the_task(running, contract, PHONE_CHANGE)
        assert task.owner == known[expected].id
        for refused in (
            assign_task(services, EVERYTHING, task.id, asker),
            take_task(services, EVERYTHING, task.id, known[asker]),
        ):
            with pytest.raises(BadInput):
                await refused
        clock.advance(timedelta(days=4))
        await escalate_tasks(services)
        climbed = await the_task(running, contract, PHONE_CHANGE)
        assert climbed.climbed_at is not None and climbed.owner not in (None, known[asker].id)
        await turn_down(services, EVERYTHING, change.id, known[expected].actor)


async def test_every_staff_task_gets_an_owner_whatever_it_is_about() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        people = await staffed(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for campus in ("hefei", "beijing"):
                await tx.staff_tasks.add_task(StaffTask(uuid4(), "question", "Which room?", campus, tx.now))
        await asyncio.gather(*(escalate_tasks(running.hub.services) for _ in range(4)))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            owners = {each.campus: each.owner for each in await tx.staff_tasks.list_open_tasks()}
            headquarters = await tx.owners.find_named("demo")
        assert headquarters and owners == {"hefei": people["zhao"], "beijing": headquarters.id}


async def test_a_policy_cannot_name_somebody_who_does_not_work_there() -> None:
    async with quiet_hub() as running:
        await staffed(running)
        for login in ("sun", "nobody"):
            with pytest.raises(BadInput) as refused:
                await change_policy(
                    running.hub.services, EVERYTHING, PolicyPlace("hefei"), {"escalate_to": login}, "staff:x"
                )
            assert refused.value.field == "escalate_to"
        await change_policy(
            running.hub.services, EVERYTHING, PolicyPlace("hefei", "math-a"), {"escalate_to": "demo"}, "staff:x"
        )


async def test_each_owner_hears_once_a_day_at_the_hour_and_nothing_when_nothing_is_open() -> None:
    clock = StandingClock()
    async with hook() as there, quiet_hub(clock, configured={"alerts": [there.url]}) as running:
        services, people = running.hub.services, await staffed(running)
        await escalate_tasks(services)
        contract = await issued_by(running, people["wang"])
        async with running.hub.database.transaction(EVERYTHING) as tx:  # the signer has looked, and does not sign
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.tasks.note_opened(task.id, "sms", tx.now)
        await follow(running, clock, MORNING + timedelta(days=7))
        assert (await the_task(running, contract)).owner == people["wang"]
        tomorrow = datetime(2026, 12, 3, 8, 29, tzinfo=SHANGHAI)
        for moment in (tomorrow, tomorrow + timedelta(minutes=1), tomorrow + timedelta(hours=5)):
            clock.go_to(moment)
            await asyncio.gather(*(escalate_tasks(services) for _ in range(5)))
        clock.go_to(tomorrow + timedelta(days=1, minutes=2))
        await asyncio.gather(*(escalate_tasks(services) for _ in range(5)))
        async with running.hub.database.transaction(EVERYTHING) as tx:
            alerts = [each for each in await tx.alerts.list_recent(EVERYTHING, tx.now) if each.kind == "digest"]
        assert [each.created_at for each in alerts] == [clock(), tomorrow + timedelta(minutes=1)]
        assert alerts[1].said("zh") == "Wang：1 项待办，其中 0 项已逾期"
        assert alerts[1].said("en") == "Wang: 1 to do, 0 overdue"
        assert alerts[0].said("zh").startswith("Zhao：1 项待办")  # by then the task had been escalated to Zhao
        await alert_staff(services, alerts[0].id)
        (told,) = there.accepted
        assert told["title"].endswith("To do today") and "/staff/tasks" in told["message"]
        await void(services, EVERYTHING, contract.id, "over", "staff:test")
        clock.go_to(tomorrow + timedelta(days=2, minutes=2))
        await finish_moot_tasks(services)
        await escalate_tasks(services)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert len([each for each in await tx.alerts.list_recent(EVERYTHING, tx.now) if each.kind == "digest"]) == 2


@pytest.mark.parametrize(("number", "messages"), [(10, 1), (60, 3)])
async def test_the_digest_names_everybody_who_has_something_in_hand(number: int, messages: int) -> None:
    async with hook() as there, quiet_hub(configured={"alerts": [there.url]}) as running:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            first, *_ = [
                await tx.alerts.add("digest", {"name": f"Owner-{each}", "open": 1, "overdue": 0}, tx.now, "hefei")
                for each in range(number)
            ]
        await alert_staff(running.hub.services, first)
    told = [line for each in there.accepted for line in each["message"].splitlines()]
    assert [each for each in range(number) if told.count(f"Owner-{each}: 1 to do, 0 overdue") != 1] == []
    assert [each for each in range(number) if told.count(f"Owner-{each}：1 项待办，其中 0 项已逾期") != 1] == []
    assert len(there.accepted) == messages
