"""What every test may ask for."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import pytest
import structlog

from tests.database import Dsns, fresh_database, leave_shared_server

SLOW = ("faults", "browser", "processes", "lifecycle")
COLLECT_AFTER = 20_000
"""So many new objects, instead of 700: a test makes many and keeps few."""


def pytest_configure() -> None:
    """An exception that the hub logs is told as Python does, not painted with all its variables: that takes longer than
    many a test."""
    structlog.configure([
        structlog.stdlib.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ])  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: at the end, when one worker waits for the other, only short ones are left."""
    places = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(SLOW)))


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)


@pytest.fixture
async def database() -> AsyncIterator[Dsns]:
    """A migrated database of the test's own."""
    async with fresh_database() as dsns:
        yield dsns


def pytest_sessionfinish() -> None:
    leave_shared_server()
