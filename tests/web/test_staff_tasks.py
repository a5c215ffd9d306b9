"""The tasks page: the most urgent task first, however many there are, and no task is closed that still waits
elsewhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.lifecycle.evidence.erase import erase_words
from hub.model.staff.accounts import EVERYTHING, StaffTask
from hub.store.kernel.connection import Connection
from hub.web.staff.staff import tasks
from tests.running import Running, running_hub
from tests.web.staff_visit import Desk, add_staff, desk_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub(with_worker=False) as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(running: Running) -> Desk:
    return await desk_of(running)


async def test_the_most_urgent_are_shown_however_many_there_are(
    running: Running, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PAGE", 3)
    now = running.clock()
    await add_staff(running, "urgent-clerk", "hefei")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        owner = await tx.connection.scalar(text("SELECT id FROM staff WHERE login = 'urgent-clerk'"))
        for number in range(4):
            made = now - timedelta(days=9 - number)
            await tx.staff_tasks.add_task(StaffTask(uuid4(), "question", f"Old one {number}", "hefei", made))
        due = now + timedelta(hours=1)
        await tx.staff_tasks.add_task(StaffTask(uuid4(), "locked", "Mine", "hefei", now, owner=owner, due_at=due))
    for address in ("/staff/tasks", "/staff/tasks?whose=mine"):
        page = await (await desk_of(running, "urgent-clerk")).get(address)
        assert "All 5 Mine 1" in page.words and re.search("<blockquote>[^<]*Mine", page.text)
    page = await desk.get("/staff/tasks")
    assert page.text.count("<article") == 3 and 'href="/staff/tasks?page=2"' in page.text
    second = await desk.get("/staff/tasks?page=2")
    assert second.text.count("<article") == 2 and 'page=1"' in second.text and "page=3" not in second.text
    assert (
        page.words.count("has a question 4") >= 1
        and (await desk.get("/staff/tasks?kind=locked")).text.count("<article") == 1
    )
    assert page.text.index("Mine</blockquote>") < page.text.index("Old one 0")
    assert "To do 5" in page.words


async def test_a_change_that_waits_is_settled_in_its_own_place(running: Running, desk: Desk) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.signers(contract.id)
    form = {"phone": "19000000188", "reason": "Rang us."}
    assert (await desk.post(f"/staff/contracts/{contract.id}/phone/{signer.id}", form)).status == 303
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = await tx.staff_tasks.open_tasks(contract.id)
    settled = f"/staff/tasks/{task.id}/done"
    assert settled not in (await desk.get("/staff/tasks")).text
    refused = await desk.post(settled)
    assert refused.status == 409 and "Please decide on that one first." in refused.words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.open_tasks(contract.id) == [task]
        await tx.connection.execute(text("UPDATE phone_change SET asked_at = asked_at - interval '8 days'"))
    for page in ("/staff/tasks", f"/staff/contracts/{contract.id}"):  # the change is over, and only the task is left
        assert settled in (await desk.get(page)).text
    assert (await desk.post(settled)).status == 303
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.open_tasks(contract.id) == []


async def test_many_tasks_cost_no_more_statements_than_one(
    running: Running, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    execute = Connection.execute

    async def counted(self: Connection, *arguments: Any) -> Any:
        asked.append(arguments)
        return await execute(self, *arguments)

    async def statements() -> int:
        asked.clear()
        assert (await desk.get("/staff/tasks")).status == 200
        return len(asked)

    await question_about(running)
    monkeypatch.setattr(Connection, "execute", counted)
    before = await statements()
    monkeypatch.undo()
    for _ in range(3):
        await question_about(running)
    monkeypatch.setattr(Connection, "execute", counted)
    assert await statements() == before


async def test_many_are_settled_at_once_with_an_outcome_and_a_note(running: Running, desk: Desk) -> None:
    made = [await question_about(running) for _ in range(2)]
    form = [("task", str(each.id)) for each in made]
    refused = await desk.post("/staff/tasks/done", [*form, ("outcome", "moot")])
    assert refused.status == 422 and "choose an outcome" in refused.words  # only the hub says so
    assert (await desk.post("/staff/tasks/done", {"outcome": "done"})).status == 422
    await add_staff(running, "tasks-elsewhere", "beijing")
    foreign = await desk_of(running, "tasks-elsewhere")
    for act in ("done", "take"):
        assert (await foreign.post(f"/staff/tasks/{act}", form)).status == 404
    taken = await desk.post("/staff/tasks/take?kind=question", form)
    assert (taken.status, taken.location) == (303, "/staff/tasks?kind=question&said=task-taken")
    note = "Rang the mother"
    settled = await desk.post("/staff/tasks/done", [*form, ("outcome", "reached"), ("note", note)])
    assert (settled.status, settled.location) == (303, "/staff/tasks?said=done")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for each in made:
            task = await tx.staff_tasks.task(each.id)
            assert task and (task.outcome, task.note, task.taken_at is not None) == ("reached", note, True)
            assert each.contract
            (entry,) = [e for e in await tx.record.entries(each.contract) if e.kind == "staff-task-settled"]
            assert entry.facts["outcome"] == "reached" and note not in str(entry.facts)
            sequence = entry.sequence
    page = await desk.get("/staff/tasks?done=1")
    assert page.words.count("spoke with them") == 2 and page.words.count(note) == 2
    assert made[1].contract
    await erase_words(running.hub.services, EVERYTHING, made[1].contract, sequence, "test")
    assert (await desk.get("/staff/tasks?done=1")).words.count(note) == 1


async def question_about(running: Running) -> StaffTask:
    contract = await running.issue_minor(send="none")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.signers(contract.id)
        task = StaffTask(uuid4(), "question", "When?", "hefei", tx.now, contract.id, signer.id)
        await tx.staff_tasks.add_task(task)
    return task
