"""Load a hub with guardians in two ways, and measure while the load is steady: with enough guardians to keep the cores
busy, and with contracts that begin at an even pace, no matter how long earlier ones take."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.programs.demo import DemoHub
from bench.simulated.people import Look, People, Stopwatch, Story

# Number of guardians. Half as many keep two cores busy.
GUARDIANS = 24
# Seconds between the first contracts of two guardians, so that they are never all at the same step.
APART = 0.1


@dataclass(frozen=True)
class Window:
    """The events between two moments. `stories`: the contracts that were completed; `calls`: the guardians' HTTP calls
    that ended; `looks`: how often somebody looked for news, and where. `cpu`: what each part of the hub
    used, and `phones_cpu` what the simulated people used, in seconds."""

    seconds: float
    stories: list[Story]
    calls: list[tuple[str, float]]
    looks: Counter[Look]
    cpu: dict[str, float]
    phones_cpu: float

    @property
    def contracts_per_s(self) -> float:
        return len(self.stories) / self.seconds


class GuardianLoad:
    """The guardians of one demo. `stopwatch`: of the session in which they sign. Each contract has its own number."""

    def __init__(self, hub: DemoHub, people: People, stopwatch: Stopwatch, numbers: Iterator[int]) -> None:
        self._hub, self._people, self._stopwatch, self._numbers = hub, people, stopwatch, numbers
        self._stories: asyncio.Queue[Story] = asyncio.Queue()

    async def fill_cores(self, guardians: int, contracts: int) -> Window:
        """Have this many guardians sign one contract after the other. The window begins when each of them has completed
        one, and ends when `contracts` more are completed; until then, all of them continue."""
        warm, ended = [asyncio.Event() for _ in range(guardians)], asyncio.Event()

        async def sign_on(place: int) -> None:
            await asyncio.sleep(place * APART)
            while not ended.is_set():
                await self._sign()
                warm[place].set()

        async with asyncio.TaskGroup() as group:
            for place in range(guardians):
                group.create_task(sign_on(place))
            for guardian in warm:
                await guardian.wait()
            self._forget()
            begun = self._now()
            window = self._since(begun, [await self._stories.get() for _ in range(contracts)])
            ended.set()
        self._forget()
        return window

    async def begin_evenly(self, per_s: float, warm_up: int, contracts: int) -> Window:
        """Begin contracts at an even pace. The window begins with the first contract after `warm_up` others, and lasts
        until `contracts` of them have begun."""
        begin = time.perf_counter()

        async def moment(number: int) -> None:
            await asyncio.sleep(begin + number / per_s - time.perf_counter())

        async with asyncio.TaskGroup() as group:
            for number in range(warm_up):
                await moment(number)
                group.create_task(self._sign())
            await moment(warm_up)
            self._forget()
            begun = self._now()
            for number in range(contracts):
                group.create_task(self._sign())
                await moment(warm_up + number + 1)
            window = self._since(begun, self._forget())
        self._forget()
        return window

    async def _sign(self) -> None:
        self._stories.put_nowait(await self._people.whole_contract(next(self._numbers)))

    def _forget(self) -> list[Story]:
        """Return the contracts that were completed since the last call."""
        return [self._stories.get_nowait() for _ in range(self._stories.qsize())]

    def _now(self) -> Window:
        """Return the events so far."""
        calls, looks = list(self._stopwatch.calls), self._people.looks.copy()
        return Window(time.perf_counter(), [], calls, looks, self._hub.cpu_seconds(), time.process_time())

    def _since(self, begun: Window, stories: list[Story]) -> Window:
        now = self._now()
        return Window(
            now.seconds - begun.seconds,
            stories,
            now.calls[len(begun.calls) :],
            now.looks - begun.looks,
            {part: used - begun.cpu[part] for part, used in now.cpu.items()},
            now.phones_cpu - begun.phones_cpu,
        )
