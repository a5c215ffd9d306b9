"""The tasks page: the most urgent task first, however many there are, and no task is closed that still waits
elsewhere."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from hub.lifecycle.evidence.erase import erase_words
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.web.staff.staff import tasks
from tests.running import Running
from tests.statements import noted_statements
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_most_urgent_are_shown_however_many_there_are(running: Running, console: ConsoleBrowser) -> None:
    now, old, all_of_them, added = running.clock(), tasks.PAGE + 1, tasks.PAGE + 2, list[StaffTask]()
    await add_staff(running, "urgent-clerk", "hefei")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        owner = await tx.connection.scalar(text("SELECT id FROM staff WHERE login = 'urgent-clerk'"))
        for number in range(old):
            made = now - timedelta(days=9, minutes=-number)
            added.append(StaffTask(uuid4(), "question", f"Old one {number}", "hefei", made))
            await tx.staff_tasks.add_task(added[-1])
        due = now + timedelta(hours=1)
        await tx.staff_tasks.add_task(StaffTask(uuid4(), "locked", "Mine", "hefei", now, owner=owner, due_at=due))
    for address in ("/staff/tasks", "/staff/tasks?whose=mine"):
        page = await (await console_of(running, "urgent-clerk")).get(address)
        assert f"All {all_of_them} Mine 1" in page.words and re.search("<blockquote>[^<]*Mine", page.text)
    page = await console.get("/staff/tasks")
    assert page.text.count("<article") == tasks.PAGE and 'href="/staff/tasks?page=2"' in page.text
    second = await console.get("/staff/tasks?page=2")
    assert second.text.count("<article") == 2 and 'page=1"' in second.text and "page=3" not in second.text
    assert (
        page.words.count(f"has a question {old}") >= 1
        and (await console.get("/staff/tasks?kind=locked")).text.count("<article") == 1
    )
    assert page.text.index("Mine</blockquote>") < page.text.index("Old one 0")
    assert f"To do {all_of_them}" in page.words
    async with running.hub.database.transaction(EVERYTHING) as tx:  # other tests look at the first page
        for task in added:
            await tx.staff_tasks.finish_task(task.id, "test", now)


async def test_a_change_that_waits_is_settled_in_its_own_place(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    form = {"phone": "19000000188", "reason": "Rang us."}
    assert (await console.post(f"/staff/contracts/{contract.id}/phone/{signer.id}", form)).status == 303
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
    settled = f"/staff/tasks/{task.id}/done"
    assert settled not in (await console.get("/staff/tasks")).text
    refused = await console.post(settled)
    assert refused.status == 409 and "Please decide on that one first." in refused.words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.list_open_tasks(contract.id) == [task]
        await tx.connection.execute(text("UPDATE phone_change SET asked_at = asked_at - interval '8 days'"))
    for page in ("/staff/tasks", f"/staff/contracts/{contract.id}"):  # the change is over, and only the task is left
        assert settled in (await console.get(page)).text
    assert (await console.post(settled)).status == 303
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.list_open_tasks(contract.id) == []


async def test_many_tasks_cost_no_more_statements_than_one(running: Running, console: ConsoleBrowser) -> None:
    async def statements() -> int:
        with noted_statements(running.hub.database) as asked:
            assert (await console.get("/staff/tasks")).status == 200
        return len(asked)

    await question_about(running)
    before = await statements()
    for _ in range(3):
        await question_about(running)
    assert await statements() == before > 0


async def test_many_are_settled_at_once_with_an_outcome_and_a_note(running: Running, console: ConsoleBrowser) -> None:
    made = [await question_about(running) for _ in range(2)]
    form = [("task", str(each.id)) for each in made]
    refused = await console.post("/staff/tasks/done", [*form, ("outcome", "moot")])
    assert refused.status == 422 and "choose an outcome" in refused.words  # only the hub says so
    assert (await console.post("/staff/tasks/done", {"outcome": "done"})).status == 422
    await add_staff(running, "tasks-elsewhere", "beijing")
    foreign = await console_of(running, "tasks-elsewhere")
    for act in ("done", "take"):
        assert (await foreign.post(f"/staff/tasks/{act}", form)).status == 404
    taken = await console.post("/staff/tasks/take?kind=question", form)
    assert (taken.status, taken.location) == (303, "/staff/tasks?kind=question&said=task-taken")
    note = "Rang the mother"
    settled = await console.post("/staff/tasks/done", [*form, ("outcome", "reached"), ("note", note)])
    assert (settled.status, settled.location) == (303, "/staff/tasks?said=done")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for each in made:
            task = await tx.staff_tasks.find_task(each.id)
            assert task and (task.outcome, task.note, task.taken_at is not None) == ("reached", note, True)
            assert each.contract
            (entry,) = [e for e in await tx.record.list_entries(each.contract) if e.kind == "staff-task-settled"]
            assert entry.facts["outcome"] == "reached" and note not in str(entry.facts)
            sequence = entry.sequence
    page = await console.get("/staff/tasks?done=1")
    assert page.words.count("spoke with them") == 2 and page.words.count(note) == 2
    assert made[1].contract
    await erase_words(running.hub.services, EVERYTHING, made[1].contract, sequence, "test")
    assert (await console.get("/staff/tasks?done=1")).words.count(note) == 1


async def question_about(running: Running) -> StaffTask:
    contract = await running.issue_minor(send="none")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        task = StaffTask(uuid4(), "question", "When?", "hefei", tx.now, contract.id, signer.id)
        await tx.staff_tasks.add_task(task)
    return task
