"""Run the whole product as `qianda demo` does, in a new data folder, and measure the CPU time of all its processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.programs.ports import free_port

API_KEY = "bench-api-key"
START_TIMEOUT = 300
STOP_TIMEOUT = 40
CHILDREN = {"pages": "hub.documents.page_drawing", "clauses": "hub.documents.contract.clause_filling"}
# Limits that are never reached: thousands of guardians of one campus, whose numbers differ only in the last four
# digits, sign within an hour.
PLENTY = {
    "QIANDA_BUDGETS__PER_CAMPUS_DAY": "1000000",
    "QIANDA_BUDGETS__PER_PREFIX_HOUR": "1000000",
    "QIANDA_BUDGETS__CODES_PER_PREFIX_HOUR": "1000000",
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class DemoHub:
    """A running demo: web process, worker process, embedded PostgreSQL with fsync, SoftHSM. Linux only (/proc)."""

    origin: str
    pid: int
    folder: Path

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds of each part since it started: user and system time, including ended children."""
        used = dict.fromkeys(("web", "work", *CHILDREN, "database", "other"), 0.0)
        for process in tree(self.pid):
            used[self._part(process)] += process.cpu
        return used

    def parts(self) -> Iterator[tuple[int, str]]:
        """Yield the id of each process with the hub's part that it belongs to."""
        for process in tree(self.pid):
            yield process.pid, "supervisor" if process.pid == self.pid else self._part(process)

    def web_pid(self) -> int:
        """Return the id of the process that serves pages."""
        return next(process.pid for process in tree(self.pid) if self._part(process) == "web")

    def _part(self, process: _Process) -> str:
        if "postgres" in process.command.partition("\0")[0]:
            return "database"
        for part, module in CHILDREN.items():
            if module in process.command:
                return part
        if process.parent == self.pid and "spawn_main" in process.command:
            jobs = sorted(each.pid for each in tree(self.pid) if "spawn_main" in each.command)
            return ("web", "work")[jobs.index(process.pid)]  # the supervisor starts them in this order
        return "other"


@contextlib.asynccontextmanager
async def running_demo() -> AsyncIterator[DemoHub]:
    """Start the demo, wait until it reports that it is ready, and remove everything at the end."""
    folder = Path(tempfile.mkdtemp(prefix="qianda-bench-"))
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QIANDA_")}
    environment |= {"QIANDA_DATA": str(folder), "QIANDA_PORT": str(port), "QIANDA_DEMO_API_KEY": API_KEY} | PLENTY
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from qianda.cli import main; main()", "demo"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
        )
    try:
        hub = DemoHub(f"http://127.0.0.1:{port}", process.pid, folder)
        await _until_ready(hub, process, folder / "output")
        yield hub
    finally:
        await asyncio.to_thread(_end, process, folder)


async def _until_ready(hub: DemoHub, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT
    async with aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"{hub.origin}/readyz", timeout=aiohttp.ClientTimeout(5)) as answer:
                    if answer.status == 200:
                        return
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"the demo did not start: {output.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.2)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """End the demo and remove its folder and its database.

    The database of a data folder may be elsewhere (if root runs the demo); the product's own object knows where.
    """
    from hub.store.server.embedded import EmbeddedPostgres

    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    EmbeddedPostgres(folder / "database").start().stop(remove=True)
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    command: str
    cpu: float


def tree(root: int) -> Iterator[_Process]:
    """Yield a process and all its descendants."""
    found = {process.pid: process for process in _processes()}
    for process in found.values():
        above: _Process | None = process
        while above is not None and above.pid != root:
            above = found.get(above.parent)
        if above is not None:
            yield process


def _processes() -> Iterator[_Process]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            ticks = sum(int(value) for value in fields[11:15])  # utime, stime, and those of children that have ended
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
            yield _Process(int(folder.name), int(fields[1]), command, ticks / TICKS)
