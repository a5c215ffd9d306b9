"""Measures CPU time of pieces of work in turn: what disturbs the machine for a while then disturbs all of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bench.results import median

Work = Callable[[], Awaitable[object]]
Ledger = list[dict[str, Any]]


async def interleaved(works: Mapping[str, Work], rounds: int, outside: Callable[[], float] = lambda: 0.0) -> Ledger:
    """`rounds` times each, in turn, after one unmeasured time each; one row per execution.

    `cpu_s` is the CPU time of the whole process, all threads. `outside_s` is the part of it by which the counter
    `outside` rose: what in real life is done on somebody else's machine.
    """
    for work in works.values():
        await work()
    ledger: Ledger = []
    for number in range(rounds):
        for name, work in works.items():
            gc.collect()  # nobody pays for what another one left behind
            before = outside()
            started = time.process_time()
            await work()
            spent = time.process_time() - started
            ledger.append({"work": name, "round": number, "cpu_s": spent, "outside_s": outside() - before})
    return ledger


def typical(ledger: Ledger, work: str, *, own: bool = False) -> float:
    """Median CPU seconds of one execution; `own` leaves out what was done for somebody else."""
    rows = [row for row in ledger if row["work"] == work]
    return median([row["cpu_s"] - (row["outside_s"] if own else 0.0) for row in rows])
