"""Measure the whole chain over HTTP: issued, invited, read, signed, sealed, completed; and the cost of its parts
alone."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import aiohttp

from bench import parts
from bench.demo import DemoHub, running_demo
from bench.memory import MemoryWatch
from bench.people import People, Stopwatch, Story, phone_of
from bench.results import Result, percentile
from bench.statements import count_statements

ROUNDS = 60
WARM_UP = 4
LOOKS = 50
# For this many contracts, one after the other, transactions and statements are counted.
COUNTED = 5


def run(rounds: int) -> Result:
    """`rounds` is the number of contracts."""
    measured = asyncio.run(_measured(rounds))
    alone = asyncio.run(parts.measured(max(3, min(rounds, 15))))
    figures = _figures(measured) | parts.figures(alone)
    return Result("chain", figures, [*measured.rows(), *alone])


class _Measured:
    """The times of a run. `cpu`: what each part of the hub used; `phones_cpu`: what the simulated people caused, in
    seconds."""

    def __init__(self) -> None:
        self.stories: list[Story] = []
        self.calls: list[tuple[str, float]] = []
        self.cpu: dict[str, float] = {}
        self.phones_cpu = 0.0
        self.seconds = 0.0
        self.looks = 0
        self.look_cpu = 0.0
        self.counted: dict[str, float] = {}
        self.memory = MemoryWatch()

    def rows(self) -> list[dict[str, Any]]:
        """Kinds: `run` (the totals), `cpu` (one per part), `contract`, `memory` and `call` (one each)."""
        rows: list[dict[str, Any]] = [{"work": "run", "wall_s": self.seconds, "cpu_s": self.phones_cpu}]
        rows.append({"work": "looks", "number": self.looks, "cpu_s": self.looks * self.look_cpu})
        rows += [{"work": f"cpu {part}", "cpu_s": used} for part, used in self.cpu.items()]
        rows += [{"work": "contract", **asdict(story)} for story in self.stories]
        rows += [{"work": "memory", **asdict(sample)} for sample in self.memory.samples]
        return rows + [{"work": call, "wall_s": seconds} for call, seconds in self.calls]


async def _measured(contracts: int) -> _Measured:
    async with running_demo() as hub:
        stopwatch = Stopwatch()
        async with _http(hub, stopwatch) as http, _http(hub) as aside:
            people = People(hub.origin, http, aside)
            await people.whole_contracts(range(WARM_UP))
            stopwatch.calls.clear()
            measured = await _timed(hub, people, stopwatch, range(WARM_UP, WARM_UP + contracts))
            first = WARM_UP + contracts
            measured.counted = await count_statements(hub.folder, people, range(first, first + COUNTED))
            return measured


def _http(hub: DemoHub, stopwatch: Stopwatch | None = None) -> aiohttp.ClientSession:
    traces = [stopwatch.trace()] if stopwatch else []
    return aiohttp.ClientSession(hub.origin, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=traces)


async def _timed(hub: DemoHub, people: People, stopwatch: Stopwatch, numbers: Sequence[int]) -> _Measured:
    measured, before, looked = _Measured(), hub.cpu_seconds(), people.looks
    watching = asyncio.create_task(measured.memory.watch(hub))
    started, own = time.perf_counter(), time.process_time()
    measured.stories = await people.whole_contracts(numbers)
    measured.seconds = time.perf_counter() - started
    watching.cancel()
    measured.phones_cpu = time.process_time() - own
    after = hub.cpu_seconds()
    measured.cpu = {part: after[part] - before[part] for part in after}
    measured.calls = stopwatch.calls
    measured.looks = people.looks - looked
    measured.look_cpu = await _cpu_of_a_look(hub, people)
    return measured


async def _cpu_of_a_look(hub: DemoHub, people: People) -> float:
    """Return the hub's CPU time for one look at the pretend phone. That is simulation, not product, and is
    subtracted."""
    before = sum(hub.cpu_seconds().values())
    for _ in range(LOOKS):
        await people.messages(phone_of(0))
    return (sum(hub.cpu_seconds().values()) - before) / LOOKS


def _figures(measured: _Measured) -> dict[str, float]:
    done, used = len(measured.stories), sum(measured.cpu.values())
    return {
        "contracts_per_s": done / measured.seconds,
        "step_p99_ms": percentile([seconds for _, seconds in measured.calls], 0.99) * 1000,
        "cpu_ms_per_contract": used / done * 1000,
        "contracts_per_s_if_cpus_were_free": (os.cpu_count() or 1) * done / used,
        "phones_cpu_ms_per_contract": measured.phones_cpu / done * 1000,
        "looking_cpu_ms_per_contract": measured.looks * measured.look_cpu / done * 1000,
        "pages_per_contract": sum(story.pages for story in measured.stories) / done,
        **{f"cpu_ms_{part}": seconds / done * 1000 for part, seconds in measured.cpu.items()},
        **measured.memory.figures(done / measured.seconds),
        **measured.counted,
    }
