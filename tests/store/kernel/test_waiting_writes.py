"""Writes that wait are run as one statement, and read as if they had been run one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, select, text

from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.kernel.rows import arrays_of, changed, insert_many, insert_row, update_row
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import WaitingWrites, read_write
from hub.store.tables.messaging import OUTBOX_MESSAGE as OUTBOX
from hub.store.tables.staff import ALERT
from hub.store.transaction import Database, Transaction
from tests.database import LOCK_WAITS, fresh_database
from tests.running import until
from tests.statements import noted_statements

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
COLUMNS = ("id", "kind", "text", "facts", "created_at", "due_at")
ADD = insert_row(ALERT, COLUMNS)
ADD_MANY = insert_many(OUTBOX, ("key",))
COUNT_OF_OUTBOX = text("SELECT count(*) FROM outbox_message")


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW)
        yield database
        await database.close()


def alert(kind: str = "told") -> dict[str, Any]:
    return {"id": uuid4(), "kind": kind, "facts": {}, "created_at": NOW, "due_at": NOW}


def keys(*names: str) -> dict[str, list[Any]]:
    return arrays_of(("key",), [{"key": name} for name in names])


async def due(tx: Transaction, which: UUID) -> datetime:
    found: datetime = await tx.connection.scalar(select(ALERT.c.due_at).where(ALERT.c.id == which))
    return found


async def test_writes_of_several_tables_are_one_statement(store: Database) -> None:
    values = alert()
    with noted_statements(store) as statements:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD, values)
            await tx.connection.write(ADD_MANY, keys("a", "b"))
            await tx.connection.write(ADD_MANY, keys("c"))
            assert statements == []
    assert len(statements) == 1
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(COUNT_OF_OUTBOX) == 3
        assert await due(tx, values["id"]) == NOW


async def test_what_was_written_is_seen_by_whatever_is_run_next(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.write(ADD_MANY, keys("a"))
        assert await tx.connection.scalar(COUNT_OF_OUTBOX) == 1
        await tx.connection.write(ADD_MANY, keys("b"))
        assert (await tx.connection.fetch("SELECT count(*) FROM outbox_message"))[0][0] == 2


async def test_a_write_waits_longer_than_a_read_of_something_else(store: Database) -> None:
    with noted_statements(store) as statements:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD_MANY, keys("a"))
            await tx.connection.execute(text("SELECT count(*) FROM alert"))
            assert len(statements) == 1
            await tx.connection.execute(text("SELECT count(*) FROM alert"))
    assert len(statements) == 3
    assert "INSERT" in statements[2]


async def test_the_last_read_is_run_with_the_writes_that_it_does_not_see(store: Database) -> None:
    outbox = SqlStatement("SELECT count(*) FROM outbox_message")
    with noted_statements(store) as statements:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD_MANY, keys("a"))
            assert len(await tx.connection.read_with_writes(SqlStatement("SELECT id FROM alert"))) == 0
            assert len(statements) == 1
            await tx.connection.write(ADD_MANY, keys("b"))
            assert (await tx.connection.read_with_writes(outbox)).one()[0] == 2


@pytest.mark.parametrize(
    "another",
    [
        "SELECT id FROM alert FOR UPDATE",
        "SELECT id FROM alert FOR SHARE",
        "SELECT pg_advisory_xact_lock(1)",
        "SELECT set_config('qianda.scope', '*', true)",
        "SELECT (SELECT count(*) FROM outbox_message)",
        "UPDATE alert SET failure = ''",
    ],
)
async def test_a_write_does_not_wait_longer_than_a_lock_or_a_read_of_its_table(store: Database, another: str) -> None:
    with noted_statements(store) as statements:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD_MANY, keys("a"))
            await tx.connection.execute(text(another))
    assert ["INSERT" in statement for statement in statements] == [True, False]


async def test_a_read_sees_what_changes_with_a_write(store: Database) -> None:
    """The head of a record changes with its entries; policies ask for contracts; rows go with those they belong to."""
    for write in ("INSERT INTO record_entry (x) VALUES (1)", "UPDATE contract SET x = 1", "DELETE FROM alert"):
        waiting = WaitingWrites()
        waiting.add(SqlStatement(write), {})
        assert not waiting.may_wait_longer(SqlStatement("SELECT digest FROM record_head"))
        assert waiting.may_wait_longer(SqlStatement("SELECT name FROM provider")) == write.startswith("INSERT")


async def test_a_row_is_written_as_often_as_somebody_asked(store: Database) -> None:
    """Of two updates of one row in one statement PostgreSQL makes one only."""
    values = alert()
    later, latest = NOW + timedelta(days=1), NOW + timedelta(days=2)
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.write(ADD, values)
        await tx.connection.write(update_row(ALERT, "due_at"), changed(values["id"], {"due_at": later}))
        await tx.connection.write(update_row(ALERT, "created_at"), changed(values["id"], {"created_at": latest}))
        await tx.connection.write(update_row(ALERT, "due_at"), changed(values["id"], {"due_at": latest}))
        row = (await tx.connection.execute(select(ALERT).where(ALERT.c.id == values["id"]))).one()
    assert (row.due_at, row.created_at) == (latest, latest)


async def test_one_that_has_to_be_counted_takes_the_others_along(store: Database) -> None:
    first, second = alert(), alert("asked")
    mine = ALERT.update().where(ALERT.c.kind == bindparam("which"))
    note = SqlStatement(mine.values(failure=bindparam("words")).returning(ALERT.c.id))
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.write(ADD, first)
        await tx.connection.write(ADD, second)
        await tx.connection.write(ADD_MANY, keys("a"))
        tx.connection.notify("somebody")
        rows = await tx.connection.write_now(note, {"which": "asked", "words": "x"})
        assert [row.id for row in rows] == [second["id"]]
        count = SqlStatement(mine.values(failure=bindparam("words")))
        assert (await tx.connection.write_now(count, {"which": "told", "words": "y"})).rowcount == 1
        assert (await tx.connection.write_now(count, {"which": "nothing", "words": "y"})).rowcount == 0
        assert await tx.connection.scalar(COUNT_OF_OUTBOX) == 1


async def test_what_waits_is_undone_with_the_rest(store: Database) -> None:
    async def failing() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD_MANY, keys("a"))
            raise LookupError

    async def twice() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(ADD_MANY, keys("a", "a"))

    with pytest.raises(LookupError):
        await failing()
    with pytest.raises(asyncpg.UniqueViolationError):
        await twice()
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(COUNT_OF_OUTBOX) == 0


async def test_whoever_listens_hears_it_after_the_commit(store: Database) -> None:
    heard: list[str] = []
    listener = await asyncpg.connect(store.dsn)
    await listener.add_listener("somebody", lambda *call: heard.append(call[2]))
    async with store.transaction(EVERYTHING) as tx:
        tx.connection.notify("somebody")
        tx.connection.notify("somebody")
        await tx.connection.write(ADD_MANY, keys("a"))
    await listener.execute("SELECT 1")  # what was told before comes with the answer
    await listener.close()
    assert heard == ["somebody"]


def test_what_reads_is_no_write() -> None:
    assert read_write('UPDATE "x" SET y = 1') == ("UPDATE", "x")
    for sql in ("SELECT 1", "WITH x AS (INSERT INTO y VALUES (1)) SELECT 1"):
        with pytest.raises(ValueError, match="no INSERT"):
            read_write(sql)


async def test_what_waits_is_written_before_a_lock(store: Database) -> None:
    """Whoever waits for a row must not hold the lock of a record yet: others take them in this order."""
    values, contract = alert(), uuid4()
    change = update_row(ALERT, "due_at")
    free = text("SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:id AS text), 1))")

    async def write_then_lock() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.write(change, changed(values["id"], {"due_at": NOW}))
            await tx.connection.write(ADD_MANY, keys("a"))
            await tx.record.lock_heads([contract])
            assert await tx.connection.scalar(COUNT_OF_OUTBOX) == 1

    async def is_waiting() -> bool:
        async with store.transaction(EVERYTHING) as tx:
            return bool((await tx.connection.fetch(LOCK_WAITS))[0][0])

    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.execute(ADD, values)
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.execute(change, changed(values["id"], {"due_at": NOW}))
        other = asyncio.create_task(write_then_lock())
        await until(is_waiting)
        assert await tx.connection.scalar(free, {"id": str(contract)})
    await other
