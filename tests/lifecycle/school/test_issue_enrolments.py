"""Many contracts issued by one act: each once, whatever happens to the worker, and each failure named."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from hub.errors import BadInput, DatabaseUnavailable, NotFound
from hub.lifecycle.contract.act_items import MAX_TRIES
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.school.change_enrolment import change_enrolment
from hub.lifecycle.school.import_roster import new_contract
from hub.lifecycle.school.issue_enrolments import begin_issuing, issue_enrolments
from hub.lifecycle.school.preview_issuing import forecast_issuing
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_change import EnrolmentChange, PersonChange
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.school.issue_many import FailedItem, IssueAct, IssueOutcome, IssueSelection
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.school.enrolments import PEOPLE
from hub.worker.periodic_tasks import MANY_AGAIN
from tests.commits import before_commits, failing_before_commit
from tests.lifecycle.clockwork import MORNING, NIGHT
from tests.poster_visits import Family
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def enrolled(running: Running, name: str = "陈小满", family: Family | None = None) -> Enrolment:
    family, child = family or Family(), Family().child_id
    student = {"name": name, "id_type": "cn-id", "id_number": child, "birth_date": None}
    parent = {"role": "guardian", "name": family.parent, "phone": family.phone, "id_number": family.parent_id}
    people = {"student": student, "signers": [parent | {"id_type": "cn-id", "relation": "父亲", "language": "zh"}]}
    enrolment = Enrolment(uuid4(), "hefei", "math-a", name, people)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.school.add_enrolment(enrolment, tx.cipher.person("cn-id", child), running.clock())
    return enrolment


async def begun(
    running: Running, enrolments: list[Enrolment], scope: Scope = EVERYTHING, deadline: date | None = None
) -> UUID:
    selection = IssueSelection(EnrolmentFilter(), [each.id for each in enrolments])
    async with running.hub.database.transaction(scope) as tx:
        act = IssueAct(uuid4(), "hefei", "staff:x", tx.now, deadline=deadline)
        await begin_issuing(running.hub.services, tx, selection, act)
    return act.id


async def contracts_of(running: Running, enrolments: list[Enrolment]) -> Counter[UUID]:
    """Return how many contracts each enrolment has."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        rows = await tx.connection.execute(text("SELECT enrolment FROM contract WHERE enrolment IS NOT NULL"))
    mine = {each.id for each in enrolments}
    return Counter(row[0] for row in rows if row[0] in mine)


async def outcomes(running: Running, act: UUID) -> dict[IssueOutcome, int]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.issue_acts.find(act)
        assert found
        progress = await tx.issue_acts.get_progress(found)
    assert progress.left == 0
    return dict(progress.counts)


async def failures(running: Running, act: UUID) -> list[FailedItem]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.issue_acts.list_not_issued(act, 10)


async def test_each_is_issued_once_by_workers_at_the_same_time(running: Running) -> None:
    enrolments = [await enrolled(running) for _ in range(4)]
    act = await begun(running, enrolments)
    await asyncio.gather(*(issue_enrolments(running.hub.services, act) for _ in range(2)))
    assert await contracts_of(running, enrolments) == Counter({each.id: 1 for each in enrolments})
    assert await outcomes(running, act) == {IssueOutcome.ISSUED: 4}
    assert not await issue_enrolments(running.hub.services, act)


async def test_an_act_is_done_in_parts_and_goes_on(running: Running) -> None:
    enrolments = [await enrolled(running) for _ in range(3)]
    act = await begun(running, enrolments)
    assert await issue_enrolments(running.hub.services, act, most=2)
    assert len(await contracts_of(running, enrolments)) == 2
    assert not await issue_enrolments(running.hub.services, act, most=2)
    assert await outcomes(running, act) == {IssueOutcome.ISSUED: 3}


class OutOfPower(BaseException):
    pass


@pytest.mark.parametrize("at", [2, 3, 4, 5])
async def test_a_worker_that_dies_at_a_commit_loses_and_repeats_nothing(running: Running, at: int) -> None:
    enrolments = [await enrolled(running)]
    act = await begun(running, enrolments)
    with failing_before_commit(running.hub.database, at, OutOfPower()), pytest.raises(OutOfPower):
        await issue_enrolments(running.hub.services, act)
    assert not await contracts_of(running, enrolments)
    await issue_enrolments(running.hub.services, act)
    assert await contracts_of(running, enrolments) == Counter({enrolments[0].id: 1})
    assert await outcomes(running, act) == {IssueOutcome.ISSUED: 1}


async def test_what_cannot_be_issued_is_named_and_stops_nothing(running: Running) -> None:
    family = Family()
    good, had, gone, bad = [
        await enrolled(running, name, family if name == "无监护" else None) for name in ("好", "已有", "删除", "无监护")
    ]
    act = await begun(running, [good, had, gone, bad])
    await issue(running.hub.services, EVERYTHING, new_contract(had), "test")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.enrolments.delete(gone.id)
        people = {"student": bad.people["student"], "signers": []}
        sealed = tx.cipher.encrypt_json(people, PEOPLE.at(bad.id))
        await tx.connection.execute(
            text("UPDATE enrolment SET people_sealed = :sealed WHERE id = :id"), {"sealed": sealed, "id": bad.id}
        )
    await issue_enrolments(running.hub.services, act)
    counts = dict.fromkeys(IssueOutcome, 1)
    assert await outcomes(running, act) == counts
    found = {each.enrolment: each for each in await failures(running, act)}
    assert found.keys() == {had.id, gone.id, bad.id} and found[gone.id].student_name is None
    failure = found[bad.id].failure
    assert failure and (failure.code, failure.field) == ("bad-input", "signers")
    assert found[bad.id].student_name == "无监护"


async def test_a_deadline_that_cannot_be_is_a_failure_of_each(running: Running) -> None:
    enrolments = [await enrolled(running) for _ in range(2)]
    act = await begun(running, enrolments, deadline=date(2020, 1, 1))
    await issue_enrolments(running.hub.services, act)
    assert await outcomes(running, act) == {IssueOutcome.FAILED: 2}
    assert not await contracts_of(running, enrolments)


async def test_a_change_while_the_contract_is_drawn_is_in_the_contract(running: Running) -> None:
    enrolment = await enrolled(running, "改名前")
    act = await begun(running, [enrolment])
    changed: list[int] = []

    async def somebody_changes(commit: int) -> None:
        if commit == 3:  # it was read, and is drawn next
            changed.append(commit)
            async with running.hub.database.transaction(EVERYTHING) as tx:
                wanted = EnrolmentChange(student=PersonChange(name="改名后"))
                await change_enrolment(tx, enrolment.id, wanted, "staff:x")

    with before_commits(running.hub.database, somebody_changes):
        await issue_enrolments(running.hub.services, act)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        issued = await tx.school.get_enrolment(enrolment.id)
        assert issued.contract
        contract = await tx.contracts.get(issued.contract)
    assert changed and contract.data["student_name"] == "改名后"
    assert await contracts_of(running, [enrolment]) == Counter({enrolment.id: 1})


async def test_what_crashes_its_process_each_time_is_given_up(running: Running) -> None:
    enrolment = await enrolled(running)
    act = await begun(running, [enrolment])
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for _ in range(MAX_TRIES):
            await tx.issue_acts.count_try(act, enrolment.id)
    await issue_enrolments(running.hub.services, act)
    assert await outcomes(running, act) == {IssueOutcome.FAILED: 1} and not await contracts_of(running, [enrolment])


async def test_an_outage_costs_no_try(running: Running) -> None:
    enrolment = await enrolled(running)
    act = await begun(running, [enrolment])
    for _ in range(MAX_TRIES + 1):
        # Commit 3 is the first of the attempt: the act was read, and the try counted.
        with failing_before_commit(running.hub.database, 3, DatabaseUnavailable()), pytest.raises(DatabaseUnavailable):
            await issue_enrolments(running.hub.services, act)
    await issue_enrolments(running.hub.services, act)
    assert await outcomes(running, act) == {IssueOutcome.ISSUED: 1}


async def test_an_act_whose_job_is_lost_gets_another_one(running: Running) -> None:
    act = await begun(running, [await enrolled(running)])
    jobs = text("SELECT count(*) FROM pgqueuer WHERE payload LIKE :act")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(text("DELETE FROM pgqueuer"))
    running.clock.advance(MANY_AGAIN + timedelta(seconds=1))
    await running.worker.periodic.reconcile()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(jobs, {"act": f"%{act}%".encode()}) == 1
    await issue_enrolments(running.hub.services, act)
    await running.worker.periodic.reconcile()


async def test_siblings_share_a_message(running: Running) -> None:
    family = Family()
    other = await enrolled(running)
    enrolments = [await enrolled(running, "老大", family), other, await enrolled(running, "老二", family)]
    act = await begun(running, enrolments)
    await issue_enrolments(running.hub.services, act)
    running.clock.advance(timedelta(minutes=5))
    await running.worker.due_steps.sweep()
    due = text("SELECT count(*) FROM delivery JOIN signer ON signer.id = signer WHERE signer.phone_hash = :phone")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        phone = tx.cipher.found_by("phone", family.phone)
        sent = await tx.connection.scalar(due, {"phone": phone})
    assert sent == 1


async def test_only_the_own_campus_is_issued(running: Running) -> None:
    enrolment = await enrolled(running)
    with pytest.raises(NotFound):
        await begun(running, [enrolment], Scope(frozenset({"beijing"})))
    with pytest.raises(BadInput):
        await begun(running, [])


async def test_the_preview_says_when_messages_may_go_out(running: Running) -> None:
    enrolments = [await enrolled(running) for _ in range(2)]
    clock, services = running.clock, running.hub.services
    kept = clock.offset
    seen = {}
    for name, moment in (("day", MORNING), ("night", NIGHT)):
        clock.offset = moment - datetime.now(UTC)
        for send in ("now", "none", "policy"):
            act = IssueAct(uuid4(), "hefei", "staff:x", moment, send)
            seen[name, send] = await forecast_issuing(services, EVERYTHING, enrolments, act)
    clock.offset = kept
    assert [seen[key].messages for key in seen] == [2, 0, 2] * 2
    assert seen["day", "now"].waits == seen["day", "policy"].waits == seen["night", "none"].waits == {}
    opening = seen["night", "now"].waits["hefei"]
    assert seen["night", "policy"].waits == seen["night", "now"].waits
    assert NIGHT < opening < NIGHT + timedelta(hours=12) and len(seen["night", "now"].seen.images) > 1
    assert not await contracts_of(running, enrolments)
