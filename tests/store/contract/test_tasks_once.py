"""Staff tasks that should exist once: there is one, however many processes find its cause at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database
from tests.database import LOCK_WAITS, fresh_database
from tests.running import until

NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
MANY = 20
TASK = StaffTask(uuid4(), "stuck", "The contract waits.", "hefei", NOW, uuid4(), uuid4())


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW, pool_size=MANY + 2)
        yield database
        await database.close()


async def add(database: Database, task: StaffTask = TASK, *, same_text: bool = False) -> bool:
    async with database.transaction(EVERYTHING) as tx:
        return await tx.staff_tasks.add_task_once(replace(task, id=uuid4()), same_text=same_text)


async def open_ones(database: Database) -> list[StaffTask]:
    async with database.transaction(EVERYTHING) as tx:
        return await tx.staff_tasks.list_open_tasks()


async def finish(database: Database, task: UUID) -> None:
    async with database.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.finish_task(task, "staff:wang", NOW)


async def count(database: Database, found: str) -> int:
    async with database.transaction(EVERYTHING) as tx:
        return int((await tx.connection.fetch(f"SELECT count(*) FROM {found}")).one()[0])


async def waiting(database: Database) -> int:
    """Return how many connections wait for a lock."""
    async with database.transaction(EVERYTHING) as tx:
        return int((await tx.connection.fetch(LOCK_WAITS)).one()[0])


@pytest.mark.parametrize("same_text", [False, True], ids=["any text", "same text"])
@pytest.mark.parametrize("fails", [False, True], ids=["the first commits", "the first fails"])
async def test_of_many_who_add_a_task_at_once_one_does(store: Database, fails: bool, same_text: bool) -> None:
    """The first has added the task and not committed when all the others try, so none of them can see it."""
    others: list[asyncio.Task[bool]] = []

    async def all_there() -> bool:
        return await waiting(store) + sum(each.done() for each in others) == MANY - 1

    try:
        async with store.transaction(EVERYTHING) as tx:
            assert await tx.staff_tasks.add_task_once(replace(TASK, id=uuid4()), same_text=same_text)
            others += [asyncio.create_task(add(store, same_text=same_text)) for _ in range(MANY - 1)]
            await until(all_there)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        assert fails
    assert sum(await asyncio.gather(*others)) == (1 if fails else 0)
    assert len(await open_ones(store)) == 1


async def test_a_settled_task_does_not_hinder_the_next(store: Database) -> None:
    assert await add(store)
    assert not await add(store)
    for _ in range(2):
        [before] = await open_ones(store)
        await finish(store, before.id)
        assert sum(await asyncio.gather(*(add(store) for _ in range(MANY)))) == 1
        [after] = await open_ones(store)
        assert after.id != before.id


async def test_different_subjects_do_not_hinder_each_other(store: Database) -> None:
    """None of them even waits: the others finish while the first is still open."""
    subjects = [
        replace(TASK, kind="unreached"),
        replace(TASK, contract=uuid4()),
        replace(TASK, signer=uuid4()),
        replace(TASK, signer=None),
        replace(TASK, contract=None),
        replace(TASK, contract=None, signer=None),
    ]
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.staff_tasks.add_task_once(replace(TASK, id=uuid4()))
        async with asyncio.timeout(30):
            assert all(await asyncio.gather(*(add(store, each) for each in subjects)))
    assert len(await open_ones(store)) == len(subjects) + 1


async def test_another_text_is_another_task_only_where_texts_count(store: Database) -> None:
    other = replace(TASK, text="Which room is it?")
    assert await add(store, same_text=True)
    assert not await add(store, other)
    assert await add(store, other, same_text=True)
    assert not await add(store, other, same_text=True)


async def test_a_task_without_a_key_counts_as_well(store: Database) -> None:
    """A task that an older version added before this schema, or that was not added as a unique one."""
    async with store.transaction(EVERYTHING) as tx:
        await tx.staff_tasks.add_task(TASK)
    assert await count(store, "staff_task WHERE once IS NULL") == 1
    assert not await add(store)
    assert [each.id for each in await open_ones(store)] == [TASK.id]


async def test_of_words_that_are_erased_no_digest_stays(store: Database) -> None:
    asked = replace(TASK, kind="question", text="Is it room 7, Chen?")
    assert await add(store, asked, same_text=True)
    assert await count(store, "staff_task WHERE once IS NOT NULL") == 1
    assert asked.contract
    async with store.transaction(EVERYTHING) as tx:
        await tx.staff_tasks.forget_words(asked.contract, [asked.text])
    assert await count(store, "staff_task WHERE once IS NOT NULL") == 0
    assert [each.text for each in await open_ones(store)] == ["–"]
