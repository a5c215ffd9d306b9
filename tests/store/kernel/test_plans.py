"""PostgreSQL keeps one plan for each statement, unless the statement says that its values decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.staff import STAFF_TASK as TASK
from hub.store.transaction import Database
from tests.database import fresh_database

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
# More often than PostgreSQL plans for values before it compares costs.
TIMES = 8
# With any other setting, its plan would be made for the number of ids, at each run.
SEVERAL = SqlStatement("SELECT text FROM staff_task WHERE id = ANY(CAST(:ids AS uuid[]))")
FOR_VALUES = SqlStatement("SELECT text FROM staff_task WHERE created_at > :since", plans_for_values=True)
COUNTS = SqlStatement(
    "SELECT generic_plans::int, custom_plans::int FROM pg_prepared_statements WHERE starts_with(statement, :sql)"
)
MODE = SqlStatement("SELECT current_setting('plan_cache_mode')")
SINCE = {"since": NOW}


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        # One connection, so that each transaction gets the one of the transaction before.
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW, pool_size=1)
        yield database
        await database.close()


async def test_one_plan_serves_all_values(store: Database) -> None:
    for number in range(TIMES):
        async with store.transaction(EVERYTHING) as tx:
            await tx.connection.execute(SEVERAL, {"ids": [UUID(int=number)]})
    assert await _plans(store, SEVERAL.sql) == (TIMES, 0)


async def test_a_statement_may_be_planned_for_its_values(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.execute(FOR_VALUES, SINCE)
    assert await _plans(store, FOR_VALUES.sql) == (0, 1)


async def test_so_is_what_is_built_for_one_run(store: Database) -> None:
    built = select(TASK.c.id).where(TASK.c.text == "to do")
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.execute(built)
        async for _ in tx.connection.stream(built, {}, 10):
            raise AssertionError("there is no task")
    assert await _plans(store, SqlStatement(built, is_once=True).sql) == (0, 2)


@pytest.mark.parametrize("is_all", [False, True])
async def test_an_opening_is_planned_for_its_values(store: Database, is_all: bool) -> None:
    async with store.transaction(EVERYTHING, Opening(FOR_VALUES, SINCE, is_all)) as tx:
        assert await tx.connection.execute(FOR_VALUES, SINCE) == []
    assert (await _plans(store, "SELECT opened.*"))[1] == 1


async def test_the_next_transaction_has_one_plan_again(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        await tx.connection.execute(FOR_VALUES, SINCE)
        assert await tx.connection.scalar(MODE) == "auto"
    async with store.transaction(EVERYTHING) as tx:
        assert await tx.connection.scalar(MODE) == "force_generic_plan"


async def _plans(store: Database, sql: str) -> tuple[int, int]:
    """Return how often the statement that begins like this was run with the plan for all values, and with one for its
    own."""
    async with store.transaction(EVERYTHING) as tx:
        generic, custom = (await tx.connection.execute(COUNTS, {"sql": sql})).one()
        return generic, custom
