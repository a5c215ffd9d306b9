"""Undoing an import: what it added goes, unless somebody has used it since; what was there before stays."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import UUID, uuid4

import pytest

from bench.simulated.people import person_number
from hub.errors import ImportUndone, NotFound
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.school.change_enrolment import change_enrolment
from hub.lifecycle.school.import_roster import ROWS_AT_ONCE, ImportOptions, begin_import, load_roster, new_contract
from hub.lifecycle.school.undo_import import undo_import
from hub.model.school.course import Enrolment
from hub.model.school.enrolment_change import EnrolmentChange
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.school.roster_import import KeptBecause, RosterImport
from hub.model.staff.scope import EVERYTHING, Scope
from tests.commits import before_commits
from tests.lifecycle.clockwork import waiting
from tests.lifecycle.school.test_load import CHILD, roster
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def children(course: str, start: int, count: int) -> bytes:
    numbers = [person_number(date(2012, 1, 1), number) for number in range(start, start + count)]
    return roster(*(("hefei", course, "陈小满", number, *CHILD[2:]) for number in numbers))


async def begun(running: Running, upload: UUID | None = None) -> UUID:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await begin_import(tx, RosterImport(uuid4(), "hefei", "staff:x", "a.csv", tx.now, upload))


async def imported(running: Running, data: bytes, roster_import: UUID) -> int:
    options = ImportOptions(roster_import=roster_import)
    report = await load_roster(running.hub.database, running.hub.services.clock, data, EVERYTHING, options)
    return report.added


async def undone(running: Running, roster_import: UUID) -> RosterImport:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await undo_import(tx, roster_import, "staff:y")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.roster_imports.find(roster_import)
    assert found
    return found


async def enrolments_of(running: Running, roster_import: UUID) -> list[Enrolment]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.enrolments.list_fitting(EnrolmentFilter(roster_import=roster_import), 1000)


async def test_what_an_import_added_goes_and_nothing_else(running: Running) -> None:
    first, second = await begun(running), await begun(running)
    assert await imported(running, children("math-a", 0, 3), first) == 3
    assert await imported(running, children("math-a", 1, 4), second) == 2
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.roster_imports.find(second)
    assert found and (found.added, found.already, found.refused) == (2, 2, 0)
    done = await undone(running, second)
    assert (done.removed, done.undone_by) == (2, "staff:y") and await enrolments_of(running, second) == []
    assert len(await enrolments_of(running, first)) == 3
    again = await undone(running, second)
    assert again == done, "a second click changes nothing"


async def test_what_somebody_has_used_stays_and_is_named(running: Running) -> None:
    roster_import = await begun(running)
    await imported(running, children("english-b", 0, 4), roster_import)
    issued, changed, being_issued, _ = await enrolments_of(running, roster_import)
    await issue(running.hub.services, EVERYTHING, new_contract(issued), "test")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await change_enrolment(tx, changed.id, EnrolmentChange(external_id="7"), "staff:x")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.fetch(
            "WITH act AS (INSERT INTO issue_act VALUES ($1, 'hefei', 'x', now(), 'now') RETURNING id) "
            "INSERT INTO issue_item (act, enrolment, campus, ordinal) VALUES ($1, $2, 'hefei', 0)",
            uuid4(),
            being_issued.id,
        )
    assert (await undone(running, roster_import)).removed == 1
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kept = await tx.roster_imports.list_kept(roster_import, 10)
    assert [(each.enrolment, each.because) for each in kept] == [
        (issued.id, KeptBecause.ISSUED),
        (changed.id, KeptBecause.CHANGED),
        (being_issued.id, KeptBecause.BEING_ISSUED),
    ]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        installation = await tx.school.find_installation()
        assert installation
        (entry,) = [
            each
            for each in await tx.record.list_entries(installation)
            if each.kind == "import-undone" and each.facts["import"] == str(roster_import)
        ]
    assert (entry.actor, entry.facts["removed"], entry.facts["kept"]) == ("staff:y", 1, 3)


async def test_an_import_that_is_undone_while_it_runs_adds_nothing_more(running: Running) -> None:
    roster_import = await begun(running)
    undoing: list[asyncio.Task[RosterImport]] = []

    async def is_waiting() -> bool:
        return await waiting(running, 1)

    async def undo_beside_the_first_batch(commit: int) -> None:
        if commit == 2:  # the first one read the courses
            undoing.append(asyncio.create_task(undone(running, roster_import)))
            await until(is_waiting)

    with before_commits(running.hub.database, undo_beside_the_first_batch), pytest.raises(ImportUndone):
        await imported(running, children("calligraphy", 0, 2 * ROWS_AT_ONCE), roster_import)
    assert (await undoing[0]).removed == ROWS_AT_ONCE
    assert await enrolments_of(running, roster_import) == []


async def test_an_import_that_was_interrupted_goes_on_as_the_same_one(running: Running) -> None:
    upload = uuid4()
    first = await begun(running, upload)
    assert await imported(running, children("robotics", 0, 2), first) == 2
    assert await begun(running, upload) == first
    assert await imported(running, children("robotics", 0, 3), first) == 1
    assert (await undone(running, first)).removed == 3
    assert await begun(running, upload) != first, "what was undone can be imported again"


async def test_another_campus_sees_no_import(running: Running) -> None:
    roster_import = await begun(running)
    with pytest.raises(NotFound):
        async with running.hub.database.transaction(Scope(frozenset({"beijing"}))) as tx:
            await undo_import(tx, roster_import, "staff:z")
