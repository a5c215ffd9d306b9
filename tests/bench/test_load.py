"""The two loads of the bench `chain`: guardians who are always busy, and contracts that wait for no other."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from pathlib import Path

import pytest

from bench.load import GuardianLoad
from bench.programs.demo import DemoHub
from bench.simulated.people import People, Stopwatch, Story


class QuickPeople(People):
    """People whose contracts need no hub: each is completed when `until` allows it."""

    def __init__(self, until: asyncio.Barrier | None = None) -> None:
        self.looks = Counter()
        self.at_work: set[int] = set()
        self.at_work_with: dict[int, int] = {}
        self._barrier = until

    async def whole_contract(self, number: int) -> Story:
        self.at_work.add(number)
        await (self._barrier.wait() if self._barrier else asyncio.sleep(0.01))
        self.at_work_with[number] = len(self.at_work)
        self.at_work.remove(number)
        return Story(number)


def load_by(people: People, stopwatch: Stopwatch | None = None) -> GuardianLoad:
    hub = DemoHub("", os.getpid(), Path())
    return GuardianLoad(hub, people, stopwatch or Stopwatch(), itertools.count())


async def test_only_contracts_that_were_completed_while_all_guardians_worked_are_measured() -> None:
    people = QuickPeople()
    window = await load_by(people).fill_cores(guardians=3, contracts=20)
    numbers = [story.number for story in window.stories]
    assert len(numbers) == 20 and 0 not in numbers
    assert [people.at_work_with[number] for number in numbers] == [3] * 20
    assert window.contracts_per_s == pytest.approx(20 / window.seconds)
    assert len(people.at_work_with) > 23 and not people.at_work, "the guardians went on, and ended what they had begun"


async def test_contracts_begin_at_an_even_pace_however_long_others_take() -> None:
    people = QuickPeople(until=asyncio.Barrier(12))  # none is completed before all have begun
    window = await asyncio.wait_for(load_by(people).begin_evenly(200, warm_up=2, contracts=10), 60)
    assert window.seconds > 0.9 * 10 / 200  # how much longer it takes depends on the machine
    assert len(people.at_work_with) == 12


async def test_calls_of_the_warm_up_are_not_measured() -> None:
    stopwatch = Stopwatch()

    class Callers(QuickPeople):
        async def whole_contract(self, number: int) -> Story:
            stopwatch.calls.append((f"GET /{number}", 0.0))
            return await super().whole_contract(number)

    window = await load_by(Callers(), stopwatch).begin_evenly(100, warm_up=3, contracts=5)
    assert [call for call, _ in window.calls] == [f"GET /{number}" for number in range(3, 8)]
