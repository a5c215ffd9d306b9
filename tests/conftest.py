"""Fixtures and settings for every test."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

if TYPE_CHECKING:  # takes a second to import: neither the process that only distributes tests nor `make unit` needs it
    from tests.database import Dsns

# The files that take long by themselves, here or in `make real`, and then the longest folders.
LONG = (
    "faults/test_kills.py",
    "faults/test_random_kills.py",
    "bench/test_message_benches.py",
    "router/test_receipt_machine.py",
    "bench/test_benches.py",
    "web/test_odd_requests.py",
    "web/test_foreign_ids.py",
    "custody/test_agent.py",
    "unit/test_schedule_year.py",
    "processes/test_backup.py",
    "day0/test_first_day.py",
    "pades/test_flips.py",
    "lifecycle/test_reminder_machine.py",
    "custody/test_both_at_once.py",
    "web/test_stalled_readers.py",
    "web/test_check_limits.py",
    "browser/test_clerk_first_day.py",
    "fuzz/test_verifier.py",
    "wiring/test_light_worker.py",
    "wiring/test_command_help.py",
    "verify/test_command.py",
    "web/test_staff_roles.py",
)
SLOW = ("faults", "browser", "processes", "lifecycle")
TESTS = Path(__file__).parent
# New objects until the garbage collector runs, instead of 700: a test makes many objects and keeps few.
COLLECT_AFTER = 20_000
# Seconds: longer than almost every test, on a busy machine too.
END_OF_AN_HOUR = 15


def pytest_configure(config: pytest.Config) -> None:
    """Log exceptions of the hub in Python's plain format. A rendering with all variables takes longer than many a
    test."""
    os.environ.setdefault("QIANDA_FULL_CHECK_EVERY", "1")  # every finished file gets both checks
    if not config.getoption("numprocesses", None):  # not in the process that only distributes tests
        gc.disable()  # what is imported now stays: searching it for cycles takes a quarter of the time
        from hypothesis import HealthCheck, settings  # half a second

        # Each run takes the same examples. Whoever looks for others gives a seed: `--hypothesis-seed=7`.
        same = config.getoption("hypothesis_seed", None) is None
        # On a busy machine, any example may take long. What has to be quick is measured by tests of its own.
        slow = [HealthCheck.too_slow]
        settings.register_profile("ours", derandomize=same, deadline=None, suppress_health_check=slow)
        settings.load_profile("ours")
    structlog.configure(
        [
            structlog.stdlib.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Import all tests, in each worker from another one on: in a fresh checkout, what one worker has compiled, the
    others find. An import that fails is tried, and reported, by the collection itself."""
    worker: dict[str, object] = getattr(session.config, "workerinput", {})
    if not worker or [Path(each).resolve() for each in session.config.args] != [TESTS]:
        return
    files = sorted(TESTS.rglob("test_*.py"))
    first = len(files) * int(str(worker["workerid"]).removeprefix("gw")) // int(str(worker["workercount"]))
    for file in files[first:] + files[:first]:
        with contextlib.suppress(Exception):
            importlib.import_module(".".join(("tests", *file.relative_to(TESTS).with_suffix("").parts)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files and folders first, so that only short tests are left when one worker waits for another."""
    files = {name: place for place, name in enumerate(LONG)}
    folders = {name: place for place, name in enumerate(SLOW, len(LONG))}

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(TESTS).parts[0]
        return files.get(f"{folder}/{item.path.name}", folders.get(folder, len(LONG) + len(SLOW)))

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Exempt everything that has been imported from garbage collection, since it stays anyway. What of it is garbage,
    some megabytes, stays too: to look for that takes half a second."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 10, 10)
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test while an hour ends: what a hub counts by the hour or the day would begin anew in the middle of
    it. The time is reported, since all processes wait, in the set-up of a test that is not slow itself."""
    left = -time.time() % 3600
    if left < END_OF_AN_HOUR:
        item.user_properties.append(("waited_for_the_hour_s", round(left, 1)))
        time.sleep(left)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Return a function that reports measured figures: at the end of the run, and in a report (`--junitxml`)."""

    def say(**measured: float) -> None:
        for name, value in measured.items():
            record_property(name, round(value, 3))

    return say


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured, whether they passed or not."""
    reports = [each for how in ("passed", "failed") for each in terminalreporter.getreports(how)]
    measured = [each for each in reports if each.when == "call" and each.user_properties]
    if measured:
        terminalreporter.section("measured", sep="-")
    for report in measured:
        figures = " · ".join(f"{name} {value:g}" for name, value in report.user_properties)
        terminalreporter.write_line(f"{report.nodeid}: {figures}")


# The two fixtures that follow take the place of pytest-asyncio's own, whose names are private: after an upgrade,
# tests/lifecycle/test_lent_hubs.py fails if tests no longer run in the loop of these.
@pytest.fixture(scope="session", name="_session_scoped_runner")
def runner() -> Iterator[asyncio.Runner]:
    """Yield the event loop of all tests of this process that share one: the product's. Hubs are lent in it."""
    import uvloop

    from tests.lent_hubs import lending

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lent = lending()
        runner.run(lent.__aenter__())
        yield runner
        runner.run(lent.__aexit__(None, None, None))


@pytest.fixture(scope="module", name="_module_scoped_runner")
def runner_of_module(_session_scoped_runner: asyncio.Runner) -> asyncio.Runner:
    """Return the same one, so that one module after another borrows the same hubs."""
    return _session_scoped_runner


@pytest.fixture
async def database() -> AsyncIterator[Dsns]:
    """Yield the addresses of a migrated database that only this test uses."""
    from tests.database import fresh_database

    async with fresh_database() as dsns:
        yield dsns


def pytest_sessionfinish() -> None:
    if database := sys.modules.get("tests.database"):
        database.leave_shared_server()
