"""A transaction's first read is run together with what sets its scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import bindparam, text

from hub.model.staff.accounts import EVERYTHING, Scope, StaffTask
from hub.store.kernel.keys import Keys
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.transaction import Database
from tests.database import fresh_database
from tests.statements import watch_statements

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
TASKS = SqlStatement("SELECT id, campus FROM staff_task WHERE text = :text ORDER BY campus DESC")
LOCKED = SqlStatement("SELECT id FROM staff_task WHERE id = :id FOR UPDATE")
EMPTY = Opening(TASKS, {"text": "nothing like it"})
SEEN = Opening(TASKS, {"text": "to do"})


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        # One connection, so that each transaction gets the one of the transaction before.
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW, pool_size=1)
        yield database
        await database.close()


async def add_tasks(store: Database, *campuses: str) -> list[UUID]:
    ids = []
    async with store.transaction(EVERYTHING) as tx:
        for campus in campuses:
            task = StaffTask(uuid4(), "locked", "to do", campus, NOW)
            await tx.staff_tasks.add_task(task)
            ids.append(task.id)
    return ids


async def test_the_opening_is_run_once_and_under_the_scope_of_its_transaction(store: Database) -> None:
    await add_tasks(store, "hefei", "wuhu")
    for scope, expected in (
        (EVERYTHING, ["wuhu", "hefei"]),
        (Scope(frozenset({"hefei"})), ["hefei"]),
        (Scope(frozenset({"bengbu"})), []),
        (EVERYTHING, ["wuhu", "hefei"]),
    ):
        statements = list[str]()
        async with store.transaction(scope, SEEN) as tx:
            watch_statements(tx.connection, statements.append)
            rows = await tx.connection.execute(SEEN.statement, SEEN.values)
            assert [row["campus"] for row in rows] == expected
            assert statements == []
            assert len(await tx.connection.execute(SEEN.statement, SEEN.values)) == len(expected)
            assert len(statements) == 1


async def test_an_opening_that_is_all_reads_under_the_scope_and_lets_nothing_follow(store: Database) -> None:
    await add_tasks(store, "hefei", "wuhu")
    opening = replace(SEEN, is_all=True)
    async with store.transaction(Scope(frozenset({"hefei"})), opening) as tx:
        rows = await tx.connection.execute(opening.statement, opening.values)
        assert [row["campus"] for row in rows] == ["hefei"]
        with pytest.raises(RuntimeError):
            await tx.connection.execute(opening.statement, opening.values)
    with pytest.raises(RuntimeError):
        async with store.transaction(EVERYTHING, opening) as tx:
            await tx.staff_tasks.add_task(StaffTask(uuid4(), "locked", "to do", "hefei", NOW))
    async with store.transaction(Scope(frozenset()), SEEN) as tx:  # the same connection: its scope was not kept
        assert await tx.connection.execute(SEEN.statement, SEEN.values) == []


async def test_a_write_that_is_all_is_made_under_the_scope(store: Database) -> None:
    await add_tasks(store, "hefei", "wuhu")
    moved = SqlStatement("UPDATE staff_task SET text = :text RETURNING id, campus")
    follows = "INSERT INTO outbox_message (key) SELECT CAST(campus AS text) FROM opening"
    for text_, scope, changed in (
        ("none", Scope(frozenset({"bengbu"})), []),
        ("one", Scope(frozenset({"hefei"})), ["hefei"]),
    ):
        opening = Opening(moved, {"text": text_}, True, (follows,))
        async with store.transaction(scope, opening) as tx:
            rows = await tx.connection.execute(opening.statement, opening.values)
            assert [row["campus"] for row in rows] == changed
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalars(text("SELECT text FROM staff_task ORDER BY campus")) == ["one", "to do"]
        assert await tx.connection.scalars(text("SELECT key FROM outbox_message")) == ["hefei"]


async def test_the_clocks_are_read_where_the_opening_finds_nothing(store: Database) -> None:
    async with store.transaction(EVERYTHING, EMPTY) as tx:
        assert tx.planning_now == NOW
        assert await tx.connection.execute(EMPTY.statement, EMPTY.values) == []


async def test_rows_of_the_opening_are_not_used_after_something_else(store: Database) -> None:
    await add_tasks(store, "hefei")
    away = text("UPDATE staff_task SET text = :text").bindparams(bindparam("text", "done"))
    async with store.transaction(EVERYTHING, SEEN) as tx:
        await tx.connection.execute(away)
        assert await tx.connection.execute(SEEN.statement, SEEN.values) == []
    async with store.transaction(EVERYTHING, Opening(TASKS, {"text": "done"})) as tx:
        assert await tx.connection.execute(TASKS, {"text": "to do"}) == []


async def test_an_opening_locks(store: Database) -> None:
    (task,) = await add_tasks(store, "hefei")
    other = Database(store.dsn, store.keys, lambda: NOW)
    opening = Opening(LOCKED, {"id": task})
    try:
        async with store.transaction(EVERYTHING, opening) as tx:
            await tx.connection.execute(opening.statement, opening.values)
            async with other.transaction(EVERYTHING) as second:
                free = text("SELECT id FROM staff_task FOR UPDATE SKIP LOCKED")
                assert await second.connection.execute(free) == []
    finally:
        await asyncio.shield(other.close())
