"""What every test may ask for."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable

import pytest
import structlog

from tests.database import Dsns, fresh_database, leave_shared_server

SLOW = ("faults", "browser", "processes", "lifecycle")
# So many new objects, instead of 700: a test makes many and keeps few.
COLLECT_AFTER = 20_000


def pytest_configure() -> None:
    """An exception that the hub logs is told as Python does, not painted with all its variables: that takes longer than
    many a test."""
    os.environ.setdefault("QIANDA_FULL_CHECK_EVERY", "1")  # both checks of each finished file
    structlog.configure(
        [
            structlog.stdlib.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


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
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Say what was measured: it stands at the end of the run, and in a report (`--junitxml`)."""

    def say(**measured: float) -> None:
        for name, value in measured.items():
            record_property(name, round(value, 3))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured, whether they passed or not."""
    reports = [each for how in ("passed", "failed") for each in terminalreporter.getreports(how)]
    measured = [each for each in reports if each.when == "call" and each.user_properties]
    if measured:
        terminalreporter.section("measured", sep="-")
    for report in measured:
        figures = " · ".join(f"{name} {value:g}" for name, value in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid}: {figures}")


@pytest.fixture
async def database() -> AsyncIterator[Dsns]:
    """A migrated database of the test's own."""
    async with fresh_database() as dsns:
        yield dsns


def pytest_sessionfinish() -> None:
    leave_shared_server()
