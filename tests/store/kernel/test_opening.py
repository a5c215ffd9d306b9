"""A transaction's first read is run together with what sets its scope."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import ARRAY, TIMESTAMP, Integer, String, Text, Uuid, bindparam, cast, literal, null, select, text
from sqlalchemy.dialects.postgresql import BYTEA, JSONB

from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.encryption.keys import Keys
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.staff import STAFF_TASK as TASK
from hub.store.transaction import Database
from tests.database import fresh_database
from tests.statements import watch_statements

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
TASKS = SqlStatement("SELECT id, campus FROM staff_task WHERE text = :text ORDER BY campus DESC")
LOCKED = SqlStatement("SELECT id FROM staff_task WHERE id = :id FOR UPDATE")
EMPTY = Opening(TASKS, {"text": "nothing like it"})
BY_CORE = SqlStatement(select(TASK).where(TASK.c.text == bindparam("text")).order_by(TASK.c.campus))
SEEN_BY_CORE = Opening(BY_CORE, {"text": "to do"})
NOTHING_BY_CORE = Opening(BY_CORE, {"text": "nothing like it"})
ARRAYS = (BYTEA, Text, String, Uuid, Integer)
# A value of each type that a column has.
VALUES = Opening(
    SqlStatement(
        select(
            literal(7).label("id"),
            cast(literal('{"a": ["签", null]}'), JSONB).label("json"),
            cast(literal("2026-11-02T09:00:00Z"), TIMESTAMP(timezone=True)).label("at"),
            cast(literal("00ff"), BYTEA).label("bytes"),
            *(cast(None, ARRAY(kind)).label(f"null_{number}") for number, kind in enumerate(ARRAYS)),
            *(cast(literal("{}"), ARRAY(kind)).label(f"empty_{number}") for number, kind in enumerate(ARRAYS)),
            cast(null(), Text).label("nothing"),
        )
    ),
    {},
)
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


@pytest.mark.parametrize("is_opening", [True, False])
async def test_several_reads_are_one_statement_and_keep_the_types_of_their_values(
    store: Database, is_opening: bool
) -> None:
    await add_tasks(store, "hefei", "wuhu")
    many = Opening(SEEN_BY_CORE.statement, SEEN_BY_CORE.values, also=[NOTHING_BY_CORE, VALUES])
    one = Database(store.dsn, store.keys, lambda: NOW)  # its connection gets to know types by these reads
    async with one.transaction(EVERYTHING) as tx:
        alone = [await tx.connection.execute(read.statement, read.values) for read in many.reads]
    await one.close()
    assert [len(rows) for rows in alone] == [2, 0, 1]
    async with store.transaction(EVERYTHING, many if is_opening else None) as tx:
        if not is_opening:
            await tx.connection.read_together(many)
        statements = list[str]()
        watch_statements(tx.connection, statements.append)
        for read, rows in zip(many.reads, alone, strict=True):
            found = await tx.connection.execute(read.statement, read.values)
            assert [dict(row) for row in found] == [dict(row) for row in rows]
            assert [[*row, row[0], row.id] for row in found] == [[*row, row[0], row.id] for row in rows]
        assert statements == []


async def test_what_was_read_together_is_read_again_after_a_write_to_its_table(store: Database) -> None:
    (task,) = await add_tasks(store, "hefei")
    later = SqlStatement(TASK.update().where(TASK.c.id == bindparam("task")).values(text="done"))
    for now in (False, True):
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.read_together(Opening(SEEN_BY_CORE.statement, SEEN_BY_CORE.values, also=[VALUES]))
            await (tx.connection.write_now if now else tx.connection.write)(later, {"task": task})
            assert await tx.connection.execute(SEEN_BY_CORE.statement, SEEN_BY_CORE.values) == []
            assert len(await tx.connection.execute(VALUES.statement, {})) == 1
            await tx.connection.execute(text("UPDATE staff_task SET text = 'to do'"))


async def test_an_opening_locks_its_rows_until_the_commit(store: Database) -> None:
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
