"""A host whose clock is wrong uses the database's time, so that leases and due times mean the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.model.staff.accounts import EVERYTHING
from hub.store.kernel.database_clock import TOLERANCE, DatabaseClock
from hub.store.kernel.keys import Keys
from hub.store.transaction import Database
from tests.database import fresh_database

NEAR = timedelta(seconds=3)  # tolerance for a busy machine


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
