"""The steps at which a process can be killed: each commit of something written, before and after; and before each
file of its data folder that gets another name or is deleted, and each program that is started.

The name of each step is written to a ledger file before it is taken, so that the entry outlives the process.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg

HAS_WRITTEN = "SELECT pg_current_xact_id_if_assigned() IS NOT NULL"
# What Python reports to audit hooks. `os.replace` and `Path.unlink` report these too.
FILE_EVENTS = ("os.rename", "os.remove", "os.rmdir", "os.link")


class Steps:
    """The steps of this process. It is killed at step `kill_at`, counted from 1; at none of them for 0."""

    def __init__(self, ledger: Path, folder: Path, kill_at: int) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        self._folder = str(folder)
        self._kill_at = kill_at
        self._number = 0

    def watch(self) -> None:
        """Watch all connections to a database, and this data folder, until the process ends."""
        sys.addaudithook(self._hear)
        plainly = asyncpg.Connection.execute

        async def execute(driver: Any, query: str, *values: Any, **options: Any) -> Any:
            if query.upper().rstrip(";") != "COMMIT" or not await driver.fetchval(HAS_WRITTEN):
                return await plainly(driver, query, *values, **options)
            self._reach("before commit")
            result = await plainly(driver, query, *values, **options)
            self._reach("after commit")
            return result

        asyncpg.Connection.execute = execute  # type: ignore[method-assign, assignment]

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            self._reach(f"start {Path(arguments[0]).name}")
        elif event in FILE_EVENTS and str(arguments[0]).startswith(self._folder):
            self._reach(f"{event} {Path(arguments[0]).relative_to(self._folder)}")

    def _reach(self, name: str) -> None:
        self._number += 1
        os.write(self._ledger, f"{name}\n".encode())
        if self._number == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
