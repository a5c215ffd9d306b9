"""Budgets: one statement counts a message in all its budgets, or in none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from hub.model.messaging.budget import Budget
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.transaction import Database
from tests.database import fresh_database

BEGINS = datetime(2026, 12, 1, 10, tzinfo=UTC)
ENDS = datetime(2026, 12, 1, 11, tzinfo=UTC)


@pytest.fixture
async def store() -> AsyncIterator[Database]:
    async with fresh_database() as dsns:
        database = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: BEGINS)
        yield database
        await database.close()


def wanted(phone: str, *, prefix: int = 2) -> list[Budget]:
    return [
        Budget("number", phone, BEGINS, ENDS, 5),
        Budget("prefix", phone[:-4], BEGINS, ENDS, prefix),
        Budget("campus", "hefei", BEGINS, ENDS, 100),
    ]


async def spent(database: Database, kind: str, subject: str) -> int:
    async with database.transaction(EVERYTHING) as tx:
        return await tx.budgets.get_spent(kind, subject, BEGINS)


async def test_each_kind_is_counted_up_to_its_own_limit(store: Database) -> None:
    for number, refused in ((1, None), (2, None), (3, "prefix")):
        phone = f"+1202555010{number}"
        async with store.transaction(EVERYTHING) as tx:
            found = await tx.budgets.consume_all(wanted(phone))
        assert [each.kind for each in found] == ([refused] if refused else [])
        assert await spent(store, "number", phone) == (0 if refused else 1)
    assert await spent(store, "prefix", "+1202555") == 2
    assert await spent(store, "campus", "hefei") == 2


async def test_all_limits_that_are_reached_are_named_and_nothing_is_counted(store: Database) -> None:
    async with store.transaction(EVERYTHING) as tx:
        for _ in range(5):
            assert await tx.budgets.consume_all(wanted("+12025550101", prefix=5)) == []
        found = await tx.budgets.consume_all(wanted("+12025550101", prefix=5))
    assert [each.kind for each in found] == ["number", "prefix"]
    assert await spent(store, "campus", "hefei") == 5
