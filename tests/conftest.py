"""What every test may ask for."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest

from tests.database import Dsns, fresh_database, leave_shared_server

SLOW = ("browser", "processes", "faults", "lifecycle")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: at the end, when one worker waits for the other, only short ones are left."""
    items.sort(key=lambda item: item.path.parent.name not in SLOW)


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
async def database() -> AsyncIterator[Dsns]:
    """A migrated database of the test's own."""
    async with fresh_database() as dsns:
        yield dsns


def pytest_sessionfinish() -> None:
    leave_shared_server()
