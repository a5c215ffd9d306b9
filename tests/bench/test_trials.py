"""The benches' measurements of pieces of work."""

from __future__ import annotations

import asyncio
import time

from bench.pieces.trials import Limit, UsedElsewhere, interleaved, typical


class Peer:
    """A program that tells the CPU time of each of its runs."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = list(seconds)

    async def sign(self) -> UsedElsewhere:
        return UsedElsewhere(self.seconds.pop(0))


async def test_the_first_run_is_not_measured() -> None:
    renewed: list[None] = []
    peer = Peer(0.9, 0.5, 0.4)
    ledger = await interleaved({"sign": peer.sign}, 2, before_each=lambda: renewed.append(None))
    assert [row["cpu_s"] for row in ledger] == [0.5, 0.4]
    assert typical(ledger, "sign") > 0
    assert len(renewed) == 3 and not peer.seconds


async def compute(cpu_s: float) -> None:
    ends = time.process_time() + cpu_s
    while time.process_time() < ends:
        pass


async def test_a_run_is_ended_by_its_cpu_time_and_not_by_its_waiting() -> None:
    limit = Limit(frozenset({"slow", "waits"}), cpu_s=0.05, tries=2)
    assert await limit.run("waits", lambda: asyncio.sleep(0.2)) and limit.ended == 0
    assert not await limit.run("slow", lambda: compute(5.0)) and limit.ended == 2
    assert await limit.run("another", lambda: compute(0.1)), "the limit is for the named works"


async def test_behind_a_limit_the_cpu_clock_is_exact() -> None:
    assert await Limit().run_once(lambda: compute(0.02))
    told = {time.process_time() for _ in range(100)}
    assert len(told) > 50
