"""Run the product as in production, in a new data folder: `qianda migrate`, `init`, `serve` and `work` as separate
processes over an embedded PostgreSQL with fsync, with configured channels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench.programs.demo import START_TIMEOUT, STOP_TIMEOUT, tree
from bench.programs.ports import free_port
from hub.settings import Settings
from hub.store.server.embedded import EmbeddedPostgres

QIANDA = (sys.executable, "-c", "from qianda.cli import main; main()")
ROOT = Path(__file__).parents[2]
LOOK_EVERY = 0.2
SCHOOL = """[school]
name = "合肥市明德培训学校"
credit_code = "52340100MJ0000001X"
licence = "教民234010000000001号"
"""


@dataclass(frozen=True)
class Server:
    """A server under test. `database`: a connection as the owner, who sees every row. `folder` has the output of the
    processes."""

    folder: Path
    port: int
    postgres: EmbeddedPostgres
    database: asyncpg.Connection[asyncpg.Record]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> Settings:
        return Settings.load(data=self.folder / "data", origin=self.origin, **more)

    @contextlib.asynccontextmanager
    async def running(self, *commands: str, **configured: Any) -> AsyncIterator[Usage]:
        """Run `serve`, `work` or both, with these settings in addition to the usual ones. At the end they finish the
        work in hand.

        Yields the CPU time that they and the database have used since they were ready.
        """
        started: list[subprocess.Popen[bytes]] = []
        try:
            for command in commands:
                started.append(self._start(command, configured))
            await self._until_ready(commands, started, configured.get("workers", 1))
            named = {name: process.pid for name, process in zip(commands, started, strict=True)}
            yield Usage({"database": self.postgres.server_pid()} | named)
        finally:
            await asyncio.to_thread(_end, started)

    async def renew(self, **configured: Any) -> None:
        """Replace the seal certificate that `init` made with the one of these settings."""
        command, environment = [*QIANDA, "init", "--renew"], self._environment(configured)
        await asyncio.to_thread(
            subprocess.run, command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )

    def _environment(self, configured: Mapping[str, Any]) -> dict[str, str]:
        environment = os.environ | {
            "QIANDA_DATA": str(self.folder / "data"),
            "QIANDA_PORT": str(self.port),
            "QIANDA_ORIGIN": self.origin,
        }
        environment |= {
            f"QIANDA_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in configured.items()
        }
        return environment

    def _start(self, command: str, configured: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        environment = self._environment(configured)
        with (self.folder / f"{command}.log").open("ab") as log:
            return subprocess.Popen(
                [*QIANDA, command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
            )

    async def _until_ready(
        self, commands: tuple[str, ...], started: list[subprocess.Popen[bytes]], workers: int
    ) -> None:
        """Wait until the pages are served and each worker of this start has written a heartbeat."""
        since, deadline = datetime.now(UTC), datetime.now(UTC) + timedelta(seconds=START_TIMEOUT)
        while not all([await self._is_ready(command, since, workers) for command in commands]):
            if any(process.poll() is not None for process in started) or datetime.now(UTC) > deadline:
                raise RuntimeError(f"{' or '.join(commands)} did not start: {self._last_words(commands)}")
            await asyncio.sleep(LOOK_EVERY)

    async def _is_ready(self, command: str, since: datetime, workers: int) -> bool:
        return await (self._is_served() if command == "serve" else self._works(since, workers))

    async def _is_served(self) -> bool:
        timeout = aiohttp.ClientTimeout(5)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession() as http, http.get(f"{self.origin}/healthz", timeout=timeout) as answer:
                return answer.status == 200
        return False

    async def _works(self, since: datetime, workers: int) -> bool:
        living = await self.database.fetchval("SELECT count(*) FROM worker_heartbeat WHERE at > $1", since)
        return bool(living >= workers)

    def _last_words(self, commands: tuple[str, ...]) -> str:
        return "\n".join((self.folder / f"{each}.log").read_text(errors="replace")[-2000:] for each in commands)


class Usage:
    """CPU time in seconds since this object was made: of one of the commands (`serve`, `work`), of the `database`, or
    of all of them. Linux only (/proc)."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = {name: _cpu_seconds([pid]) for name, pid in pids.items()}
        self._workers_before = _cpu_seconds(self.workers)

    @property
    def commands(self) -> list[int]:
        """The process IDs of the supervisors."""
        return [pid for name, pid in self._pids.items() if name != "database"]

    def __call__(self, whose: str = "") -> float:
        names = [whose] if whose else list(self._pids)
        return sum(_cpu_seconds([self._pids[name]]) - self._before[name] for name in names)

    @property
    def workers(self) -> list[int]:
        """The ids of the processes that the supervisor of `work` started."""
        supervisor = self._pids.get("work", 0)
        return [each.pid for each in tree(supervisor) if each.parent == supervisor and "spawn_main" in each.command]

    def of_workers(self) -> float:
        """Return the CPU seconds of the workers themselves."""
        return _cpu_seconds(self.workers) - self._workers_before

    def largest_mb(self) -> float:
        """Return the memory of the largest worker in MB (resident, shared pages included)."""
        return max(_resident_mb(pid) for pid in self.workers)


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


@contextlib.asynccontextmanager
async def made_server() -> AsyncIterator[Server]:
    """Create a migrated, empty database and yield its server. Everything is removed at the end."""
    for name in [name for name in os.environ if name.startswith("QIANDA_")]:
        del os.environ[name]  # such variables configure another hub
    folder = Path(tempfile.mkdtemp(prefix="qianda-bench-"))
    (folder / "data").mkdir(mode=0o700)
    (folder / "own.toml").write_text(SCHOOL, "utf-8")
    os.environ["QIANDA_CONFIG"] = str(folder / "own.toml")
    port = free_port()
    postgres = EmbeddedPostgres(folder / "data" / "database")
    await asyncio.to_thread(postgres.start)
    try:
        environment = os.environ | {"QIANDA_DATA": str(folder / "data"), "QIANDA_ORIGIN": f"http://127.0.0.1:{port}"}
        for command in ("migrate", "init"):
            await asyncio.to_thread(
                subprocess.run, [*QIANDA, command], env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL
            )
        database = await asyncpg.connect(postgres.dsn("owner"))
        await database.execute("DELETE FROM sealing_key")  # encrypted values of copied rows belong to another row
        try:
            yield Server(folder, port, postgres, database)
        finally:
            await database.close()
    finally:
        await asyncio.to_thread(postgres.stop, remove=True)
        del os.environ["QIANDA_CONFIG"]
        shutil.rmtree(folder, ignore_errors=True)


def _cpu_seconds(pids: Sequence[int]) -> float:
    return sum(process.cpu for pid in pids for process in tree(pid))


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
