"""Measure signing under attack by slow uploads, page bombs, stalled readers and half-open sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.programs.demo import API_KEY, DemoHub, running_demo
from bench.results import Result, median, percentile
from bench.simulated.people import People, Stopwatch

ROUNDS = 60
AT_ONCE, WARM_UP = 2, 4
# The siege lasts at least this many seconds, so that every stalled client is dropped once.
MIN_SECONDS = 30.0
ROOT = Path(__file__).parents[1]
Rows = list[dict[str, Any]]


def run(rounds: int) -> Result:
    """Measure `rounds` contracts during the attacks, and as many without, half before and half after."""
    rows = asyncio.run(_measured(rounds))
    return Result("busy", figures(rows), rows)


async def _measured(rounds: int) -> Rows:
    async with running_demo() as hub:
        stopwatch = Stopwatch()
        traced = aiohttp.ClientSession(
            hub.origin, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=[stopwatch.trace()]
        )
        async with traced as http, aiohttp.ClientSession(hub.origin) as aside:
            crowd = _Crowd(People(hub.origin, http, aside), stopwatch)
            half = max(1, rounds // 2)
            await crowd.sign("warm up", WARM_UP)
            rows = await crowd.sign("quiet", half)
            async with _siege(hub, await _genuine(aside)) as ledger:
                rows += await crowd.sign("busy", rounds, MIN_SECONDS)
            rows += [json.loads(line) for line in ledger.read_text().splitlines()]
            ledger.unlink()
            return rows + await crowd.sign("quiet", half)


class _Crowd:
    def __init__(self, people: People, stopwatch: Stopwatch) -> None:
        self._people, self._stopwatch, self._next = people, stopwatch, 0

    async def sign(self, phase: str, contracts: int, least_seconds: float = 0.0) -> Rows:
        """Sign `contracts` contracts, and further ones until `least_seconds` have passed. Return one row for each call
        by a guardian."""
        self._stopwatch.calls.clear()
        begun, first = time.perf_counter(), self._next

        async def one_after_another() -> None:
            while self._next - first < contracts or time.perf_counter() - begun < least_seconds:
                self._next += 1
                await self._people.whole_contract(self._next)

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        return [{"work": phase, "call": call, "wall_s": seconds} for call, seconds in self._stopwatch.calls]


async def _genuine(aside: aiohttp.ClientSession) -> bytes:
    """Return the finished file of the newest contract."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with aside.get("/api/v1/contracts", params={"state": "COMPLETED"}, headers=headers) as answer:
        answer.raise_for_status()
        contract = (await answer.json())["items"][0]["id"]
    async with aside.get(f"/api/v1/contracts/{contract}/final.pdf", headers=headers) as answer:
        answer.raise_for_status()
        return await answer.read()


@contextlib.asynccontextmanager
async def _siege(hub: DemoHub, genuine: bytes) -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file, ledger = Path(folder) / "genuine.pdf", Path(tempfile.mkstemp(suffix=".jsonl")[1])
        file.write_bytes(genuine)
        command = [sys.executable, "-m", "bench.simulated.siege", hub.origin, str(file), "--ledger", str(ledger)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        try:
            yield ledger
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait)


def figures(rows: Rows) -> dict[str, float]:
    def seconds(work: str, *statuses: int) -> Sequence[float]:
        return [row["wall_s"] for row in rows if row["work"] == work and (not statuses or row["status"] in statuses)]

    quiet, busy, stalled = seconds("quiet"), seconds("busy"), seconds("stalled")
    visits, answered = seconds("visitor"), seconds("visitor", 200)
    found = {
        "p99_ratio": percentile(busy, 0.99) / percentile(quiet, 0.99),
        "median_ratio": median(busy) / median(quiet),
        "p99_quiet_ms": percentile(quiet, 0.99) * 1000,
        "p99_busy_ms": percentile(busy, 0.99) * 1000,
        "calls_busy": len(busy),
        "stalled": len(stalled),
        "dropped_within_s": max(stalled, default=0.0),
        "verify_asked": len(visits),
        "verify_answered": len(answered) / len(visits) if visits else 0.0,
        "verify_max_s": max(answered, default=0.0),
        "drips_ended": len(seconds("drip", 408)),
        "drips_within_s": max(seconds("drip", 408), default=0.0),
        "drips_refused": len(seconds("drip", 429)),
        "bombs_refused": len(seconds("bomb", 422)),
        "bomb_max_s": max(seconds("bomb", 422), default=0.0),
    }
    return {name: float(value) for name, value in found.items()}
