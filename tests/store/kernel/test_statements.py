"""Statements as text, their values, and connections that are taken from the pool and returned."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, select, text

import hub.store
from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.kernel.pool import ConnectionPool
from hub.store.kernel.rows import changed, insert_row, update_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.messaging import DELIVERY
from hub.store.tables.staff import ALERT
from hub.store.transaction import Database
from tests.database import fresh_database
from tests.running import until

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
SLEEPERS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'
"""


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW)
        yield database
        await database.close()


def all_statements() -> Iterator[tuple[str, SqlStatement]]:
    for module in pkgutil.walk_packages(hub.store.__path__, "hub.store."):
        if ".migrations" not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, SqlStatement):
                    yield f"{module.name}.{name}", value


async def test_the_server_knows_every_statement(store: Database) -> None:
    """Statements are compiled when they are first used. Here each one is, and the server knows each table and
    column."""
    found = dict(all_statements())
    async with store.transaction(EVERYTHING) as tx:
        for name, statement in found.items():
            prepared = await tx.connection.driver.prepare(statement.sql)
            assert bool(prepared.get_attributes()) == statement.gives_rows, name
    assert len(found) > 100


def test_a_statement_takes_its_values_by_name() -> None:
    states = DELIVERY.c.state.in_(["sent", "unknown"])
    statement = SqlStatement(select(DELIVERY.c.id).where(DELIVERY.c.key == bindparam("key"), states))
    assert "IN ('sent', 'unknown')" in statement.sql and statement.gives_rows
    assert statement.arguments({"key": "k", "of another one": 1}) == ["k"]
    with pytest.raises(KeyError, match="key"):
        statement.arguments({})


def test_what_somebody_asks_for_once_has_no_value_in_its_text() -> None:
    """Not even one that would end a literal: lists and filters hold what people write."""
    told = "O'Hara"
    once = SqlStatement(select(DELIVERY.c.id).where(DELIVERY.c.key.in_([told, "k"])), is_once=True)
    assert told not in once.sql and "''" not in once.sql and once.arguments({}) == [told, "k"]


def test_statements_of_one_shape_share_a_text_and_keep_their_own_values() -> None:
    def changed_to(state: str, keys: list[str]) -> SqlStatement:
        found = (
            DELIVERY.c.key.in_(keys) & (DELIVERY.c.provider != f"not {state}") & (DELIVERY.c.rung < bindparam("most"))
        )
        return SqlStatement(DELIVERY.update().where(found).values(state=state, failure=None), is_once=True)

    first, other = changed_to("sent", ["k1", "k2"]), changed_to("unknown", ["k3"])
    assert first.arguments({"most": 1}) == ["sent", None, "not sent", 1, "k1", "k2"]
    assert other.arguments({"most": 2}) == ["unknown", None, "not unknown", 2, "k3"]
    assert other._compiled is first._compiled and other.sql.count("$") == first.sql.count("$") - 1
    with pytest.raises(KeyError):
        other.arguments({})


def test_no_value_stays_with_a_shape() -> None:
    asked = select(DELIVERY).where(DELIVERY.c.text == "a value of somebody").limit(17)
    compiled = SqlStatement(asked, is_once=True)._compiled
    assert {bind.value for bind in compiled.binds.values()} == {None}
    assert compiled.cache_key and {bind.value for bind in compiled.cache_key.bindparams} == {None}


def test_text_says_by_itself_whether_it_gives_rows() -> None:
    assert SqlStatement(" SELECT 1").gives_rows and SqlStatement("INSERT INTO x\nVALUES (1) RETURNING y").gives_rows
    assert not SqlStatement("DELETE FROM x").gives_rows and not SqlStatement("NOTIFY x").gives_rows


async def test_what_is_written_is_read_again(store: Database) -> None:
    columns = ("id", "kind", "facts", "created_at", "due_at")
    alert, facts = uuid4(), {"provider": "weary", "minutes": [1, None, "二"]}
    values = {"id": alert, "kind": "told", "facts": facts, "created_at": NOW, "due_at": NOW}
    async with store.transaction(EVERYTHING) as tx:
        assert (await tx.connection.execute(insert_row(ALERT, columns), values)).rowcount == 1
        again = insert_row(ALERT, columns, passing_over=True)
        assert (await tx.connection.execute(again, values)).rowcount == 0
        later = changed(alert, {"due_at": NOW + timedelta(days=1)})
        assert (await tx.connection.execute(update_row(ALERT, "due_at"), later)).rowcount == 1
        row = (await tx.connection.execute(select(ALERT).where(ALERT.c.id == alert))).one()
    assert (row.id, row["facts"], row.due_at - row.created_at) == (alert, facts, timedelta(days=1))


async def test_what_failed_is_rolled_back_and_the_connection_serves_on(store: Database) -> None:
    pids = []

    async def failing(statement: str) -> None:
        async with store.transaction(EVERYTHING) as tx:
            pids.append(await tx.connection.scalar(text("SELECT pg_backend_pid()")))
            await tx.alerts.add("told", {}, NOW)
            await tx.connection.execute(text(statement))

    for statement in ("SELECT 1 / 0", "SELECT no_such_function()"):
        with pytest.raises(asyncpg.PostgresError):
            await failing(statement)
        async with store.transaction(EVERYTHING) as tx:
            assert await tx.connection.scalar(text("SELECT count(*) FROM alert")) == 0
    assert pids[0] == pids[1]
    assert store.pool.in_use == 0


async def test_a_value_that_does_not_fit_is_no_outage(store: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("SELECT CAST(:number AS integer)"), {"number": "many"})


async def test_one_that_is_cancelled_in_a_statement_leaves_nothing_behind(store: Database) -> None:
    async def sleeping() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.alerts.add("told", {}, NOW)
            await tx.connection.execute(text("SELECT pg_sleep(60)"))

    async def asleep() -> bool:
        async with store.transaction(EVERYTHING) as tx:
            return bool(await tx.connection.scalar(text(SLEEPERS)))

    task = asyncio.create_task(sleeping())
    await until(asleep)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await asleep() and store.pool.in_use == 0
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(text("SELECT count(*) FROM alert")) == 0


async def test_a_connection_that_its_server_has_ended_is_not_handed_out(store: Database) -> None:
    async with store.transaction(EVERYTHING) as killer:
        async with store.transaction(EVERYTHING) as tx:
            ended = tx.connection.driver
        await killer.connection.fetch("SELECT pg_terminate_backend($1)", ended.get_server_pid())

        async def is_told() -> bool:
            return ended.is_closed()

        await until(is_told)
        async with store.transaction(EVERYTHING) as tx:
            assert tx.connection.driver is not ended


async def test_one_whose_server_ends_in_a_transaction_is_an_outage(store: Database) -> None:
    async def ended() -> None:
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        await ended()
    async with store.transaction(EVERYTHING):
        assert store.pool.in_use == 1


async def test_whoever_waits_too_long_for_a_connection_hears_so(store: Database) -> None:
    store.pool = ConnectionPool(store._connect, 12, take_timeout=0.05)
    held = [store.transaction(EVERYTHING) for _ in range(12)]
    for each in held:
        await each.__aenter__()
    with pytest.raises(DatabaseUnavailable, match="TimeoutError"):
        async with store.transaction(EVERYTHING):
            pass
    for each in held:
        await each.__aexit__(None, None, None)
    async with store.transaction(EVERYTHING):
        assert store.pool.in_use == 1


async def test_a_pool_that_was_closed_begins_anew_and_keeps_nothing_of_before(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        before = await tx.connection.scalar(text("SELECT pg_backend_pid()"))
        await store.pool.close()
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(text("SELECT pg_backend_pid()")) != before
