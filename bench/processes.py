"""Measure how much memory each process uses, and how long it takes to start.

Memory is the proportional set size: a page that several processes share is divided among them, so that sums make sense.
For a supervisor, the resident size with shared pages is also given. Linux only (/proc).
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.programs.demo import DemoHub, running_demo
from bench.programs.server import made_server
from bench.results import Result, median
from bench.simulated.people import People

ROUNDS = 3
# Number of contracts that a demo completes before it is measured again.
CONTRACTS = 24


def run(rounds: int) -> Result:
    """Measure. `rounds`: how often the processes are started."""
    return asyncio.run(_measured(rounds))


async def _measured(rounds: int) -> Result:
    ledger: list[dict[str, Any]] = [
        {"work": f"start {command}", "wall_s": wall} for command, wall in await _starts(rounds)
    ]
    started = time.perf_counter()
    async with running_demo() as hub:
        ledger.append({"work": "start demo", "wall_s": time.perf_counter() - started})
        ledger += _memory(hub, "idle")
        async with aiohttp.ClientSession(hub.origin, cookie_jar=aiohttp.DummyCookieJar()) as http:
            await People(hub.origin, http, http).whole_contracts(range(CONTRACTS))
        ledger += _memory(hub, "after work")
    return Result("processes", _figures(ledger), ledger)


async def _starts(rounds: int) -> Sequence[tuple[str, float]]:
    """Return the seconds from each start of `serve` until its page is served, and of `work` until its worker is
    alive."""
    found = []
    async with made_server() as server:
        for _ in range(rounds):
            for command in ("serve", "work"):
                started = time.perf_counter()
                async with server.running(command):
                    found.append((command, time.perf_counter() - started))
    return found


def _memory(hub: DemoHub, when: str) -> list[dict[str, Any]]:
    """Return one row for each part of the hub."""
    used: defaultdict[str, float] = defaultdict(float)
    for process, part in hub.parts():
        used[part] += kept_mb(process, "Pss")
    rows = [{"work": f"memory {when}", "part": part, "mb": size} for part, size in sorted(used.items()) if size]
    return [*rows, {"work": f"memory {when}", "part": "supervisor, resident", "mb": kept_mb(hub.pid, "Rss")}]


def kept_mb(process: int, kind: str) -> float:
    """Return the memory of a process in MB, 0 if it has ended. `kind`: as in /proc/PID/smaps_rollup."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{kind}:"))


def _figures(ledger: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for row in ledger:
        if row["work"].startswith("start "):
            seconds[row["work"].replace(" ", "_") + "_s"].append(row["wall_s"])
    figures = {name: median(each) for name, each in seconds.items()}
    for row in ledger:
        if row["work"].startswith("memory "):
            name = f"mb_{row['part'].replace(', ', '_')}"
            figures[name if row["work"] == "memory idle" else f"{name}_after_work"] = row["mb"]
    return figures
