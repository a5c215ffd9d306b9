"""Measure the whole chain over HTTP (issued, invited, read, signed, sealed, completed), and each part alone."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp
import uvloop

from bench import parts
from bench.load import GUARDIANS, GuardianLoad, Window
from bench.programs.demo import DemoHub, running_demo
from bench.programs.memory import MemoryWatch
from bench.results import Result, percentile
from bench.simulated.people import Look, People, Stopwatch, Story, phone_of
from bench.statements import count_statements

ROUNDS = 60
# Steps are timed at this share of the hub's greatest throughput.
SHARE = 0.8
LOOKS = 50
# Number of contracts, one after the other, whose transactions and statements are counted.
COUNTED = 10


def run(rounds: int) -> Result:
    """Measure `rounds` contracts with busy cores, and as many at an even pace."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the cores belong to the hub
        measured = runner.run(_measured(rounds))
    alone = asyncio.run(parts.measured(max(3, min(rounds, 15))))
    figures = _figures(measured) | parts.figures(alone)
    return Result("chain", figures, [*measured.rows(), *alone])


@dataclass(frozen=True)
class _Measured:
    """The windows of a run. `look_cpu`: seconds that the hub needs for one look."""

    full: Window
    even: Window
    offered_per_s: float
    look_cpu: dict[Look, float]
    counted: dict[str, float]
    memory: MemoryWatch

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the ledger. Kinds: `run` and `looks …` (the totals), `cpu` (one per part), `contract` and
        `memory`, all with busy cores; and one for each call, whose `load` names its window."""
        full = self.full
        rows: list[dict[str, Any]] = [{"work": "run", "wall_s": full.seconds, "cpu_s": full.phones_cpu}]
        for kind, cpu in self.look_cpu.items():
            rows.append({"work": f"looks {kind}", "number": full.looks[kind], "cpu_s": full.looks[kind] * cpu})
        rows += [{"work": f"cpu {part}", "cpu_s": used} for part, used in full.cpu.items()]
        rows += [{"work": "contract", **asdict(story)} for story in full.stories]
        rows += [{"work": "memory", **asdict(sample)} for sample in self.memory.samples]
        for load, window in (("full", full), ("even", self.even)):
            rows += [{"work": call, "wall_s": seconds, "load": load} for call, seconds in window.calls]
        return rows


async def _measured(contracts: int) -> _Measured:
    guardians = min(GUARDIANS, contracts)
    async with running_demo() as hub:
        stopwatch, numbers = Stopwatch(), itertools.count()
        async with _http(hub, stopwatch) as http, _http(hub) as aside:
            people = People(hub.origin, http, aside)
            load, memory = GuardianLoad(hub, people, stopwatch, numbers), MemoryWatch()
            watching = asyncio.create_task(memory.watch(hub))
            full = await load.fill_cores(guardians, contracts)
            watching.cancel()
            offered = SHARE * full.contracts_per_s
            even = await load.begin_evenly(offered, guardians, contracts)
            look_cpu = await _cpu_of_a_look(hub, people, full.stories[0])
            counted = await count_statements(hub.folder, people, list(itertools.islice(numbers, COUNTED)))
            return _Measured(full, even, offered, look_cpu, counted, memory)


def _http(hub: DemoHub, stopwatch: Stopwatch | None = None) -> aiohttp.ClientSession:
    traces = [stopwatch.trace()] if stopwatch else []
    connector = aiohttp.TCPConnector(limit=0)  # no step waits until another guardian's connection is free
    return aiohttp.ClientSession(
        hub.origin, connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trace_configs=traces
    )


async def _cpu_of_a_look(hub: DemoHub, people: People, story: Story) -> dict[Look, float]:
    """Return the hub's CPU time for one look at the pretend phone and for one at the state of a contract, which no
    school's system would ask for so often. It includes what idle processes use meanwhile."""
    looks: dict[Look, Callable[[], Awaitable[object]]] = {
        "phone": lambda: people.messages(phone_of(story.number)),
        "state": lambda: people.state(story.contract),
    }
    cpu: dict[Look, float] = {}
    for kind, look in looks.items():
        before = sum(hub.cpu_seconds().values())
        for _ in range(LOOKS):
            await look()
        cpu[kind] = (sum(hub.cpu_seconds().values()) - before) / LOOKS
    return cpu


def _figures(measured: _Measured) -> dict[str, float]:
    full, even = measured.full, measured.even
    done, used = len(full.stories), sum(full.cpu.values())
    return {
        "contracts_per_s": full.contracts_per_s,
        "step_p99_ms": _p99_ms(even),
        "step_p99_ms_with_full_cores": _p99_ms(full),
        "offered_per_s": measured.offered_per_s,
        "cpu_ms_per_contract": used / done * 1000,
        "contracts_per_s_if_cpus_were_free": (os.cpu_count() or 1) * done / used,
        "cores_used": (used + full.phones_cpu) / full.seconds,
        "phones_cpu_ms_per_contract": full.phones_cpu / done * 1000,
        "looking_cpu_ms_per_contract": sum(full.looks[kind] * cpu for kind, cpu in measured.look_cpu.items())
        / done
        * 1000,
        "looks_per_contract": full.looks.total() / done,
        "pages_per_contract": sum(story.pages for story in full.stories) / done,
        **{f"cpu_ms_{part}": seconds / done * 1000 for part, seconds in full.cpu.items()},
        **measured.memory.figures(full.contracts_per_s),
        **measured.counted,
    }


def _p99_ms(window: Window) -> float:
    return percentile([seconds for _, seconds in window.calls], 0.99) * 1000
