"""A host whose clock is wrong uses the database's time, so that leases and due times mean the same everywhere."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.kernel.database_clock import TOLERANCE, DatabaseClock
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.transaction import Database
from tests.database import LOCK_WAITS, fresh_database
from tests.running import until

NEAR = timedelta(seconds=15)  # tolerance for a busy machine; half of the smallest error
# The second one is locked by the test: the first row is there before the wait, the second one after it.
TASKS = Opening(SqlStatement("SELECT id, text FROM staff_task ORDER BY text FOR UPDATE"), {})
SECOND = SqlStatement("SELECT id FROM staff_task WHERE text = 'second' FOR UPDATE")


class HostClock:
    """A clock that can be set wrong, and right again."""

    def __init__(self) -> None:
        self.wrong_by = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.wrong_by


@pytest.mark.parametrize("seconds", [-30, 30, -86400])
async def test_a_wrong_host_goes_by_the_database(seconds: int) -> None:
    host = HostClock()
    clock = DatabaseClock(host)
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), clock)
        try:
            host.wrong_by = timedelta(seconds=seconds)
            async with database.transaction(EVERYTHING) as tx:
                assert abs(tx.now - datetime.now(UTC)) < NEAR
            assert abs(clock() - datetime.now(UTC)) < NEAR
            host.wrong_by = timedelta(0)  # the clock was set right
            async with database.transaction(EVERYTHING) as tx:
                assert abs(tx.now - datetime.now(UTC)) < NEAR
        finally:
            await database.close()


def test_a_small_difference_moves_nothing() -> None:
    at = datetime(2026, 11, 26, tzinfo=UTC)
    clock = DatabaseClock(lambda: at)
    clock.observe(at + TOLERANCE)
    assert clock() == at
    clock.observe(at + TOLERANCE * 2)
    assert clock() == at + TOLERANCE * 2
    clock.observe(at + TOLERANCE * 2.5)  # small differences are ignored
    assert clock() == at + TOLERANCE * 2
    clock.observe(at)
    assert clock() == at


async def test_an_opening_that_waited_for_a_lock_does_not_set_the_clock_back() -> None:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), DatabaseClock())

        async def is_waiting() -> bool:
            async with database.transaction(EVERYTHING) as tx:
                return bool((await tx.connection.fetch(LOCK_WAITS)).one()[0] == 1)

        async def behind() -> timedelta:
            async with database.transaction(EVERYTHING, TASKS) as tx:
                assert len(await tx.connection.execute(TASKS.statement, TASKS.values)) == 2
                return datetime.now(UTC) - tx.now

        try:
            async with database.transaction(EVERYTHING) as tx:
                for name in ("first", "second"):
                    await tx.staff_tasks.add_task(StaffTask(uuid4(), "locked", name, "hefei", tx.now))
            async with database.transaction(EVERYTHING) as tx:
                await tx.connection.execute(SECOND, {})
                waiter = asyncio.create_task(behind())
                await until(is_waiting)
                await tx.connection.fetch(f"SELECT pg_sleep({2 * TOLERANCE.total_seconds()})")
            assert await waiter < 2 * TOLERANCE  # it waited for longer
        finally:
            await database.close()
