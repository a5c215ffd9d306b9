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
    monkeypatch.setattr(tasks, "MAX_SHOWN", 3)
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
    assert page.text.count("<article") == 3 and "The 3 most urgent of 5." in page.words
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


async def question_about(running: Running) -> None:
    contract = await running.issue_minor(send="none")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.signers(contract.id)
        task = StaffTask(uuid4(), "question", "When?", "hefei", tx.now, contract.id, signer.id)
        await tx.staff_tasks.add_task(task)
