"""Measure the CPU time of pieces of work in turn, so that a disturbance of the machine affects all of them."""

from __future__ import annotations

import contextlib
import gc
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.results import median

Work = Callable[[], Awaitable[object]]
Ledger = list[dict[str, Any]]

@dataclass(frozen=True)
class UsedElsewhere:
    """The result of work that another process did: the CPU seconds that it used there."""

    cpu_s: float


class TooSlow(BaseException):
    """A run used up its CPU time. No library may catch this."""


@dataclass
class Limit:
    """A limit for the runs of `works`. A run that takes more than `cpu_s` is ended, counted in `ended` and tried again,
    up to `tries` runs in all.

    asn1crypto encodes a signature with a nested timestamp in 0.1 s or, now and then, in 12 to 30 s. A peer is measured
    in its fast mode.
    """

    works: frozenset[str] = frozenset()
    cpu_s: float = 1.0
    tries: int = 10
    ended: int = field(default=0, init=False)

    async def run(self, name: str, work: Work) -> bool:
        """Run the work, and return whether one of the tries was completed."""
        if name not in self.works:
            await work()
            return True
        for _ in range(self.tries):
            if await self.run_once(work):
                return True
        return False

    async def run_once(self, work: Work) -> bool:
        """Run the work once, and return whether it was completed."""
        try:
            with _cpu_limit(self.cpu_s):
                await work()
            return True
        except TooSlow:
            self.ended += 1
            return False


@contextlib.contextmanager
def _cpu_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow once the process has used this much CPU time.

    The timer counts real time, because with a timer of CPU time the process's CPU clock has steps of a scheduler's tick
    (4 ms), also for a while afterwards.
    """
    ends = time.process_time() + seconds

    def check(*_: object) -> None:
        left = ends - time.process_time()
        if left <= 0:
            raise TooSlow
        signal.setitimer(signal.ITIMER_REAL, left)

    before = signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


async def interleaved(
    works: Mapping[str, Work],
    rounds: int,
    outside: Callable[[], float] = lambda: 0.0,
    limit: Limit | None = None,
    before_each: Callable[[], None] = lambda: None,
) -> Ledger:
    """Run each work `rounds` times, in turn, after one unmeasured time each. Return one row for each completed run.

    `cpu_s`: the CPU time of the whole process, all threads. `outside_s`: the part of it by which the counter `outside`
    rose; in production, another machine spends it. `before_each` runs before each work and is not measured.
    """
    limit = limit or Limit()
    for name, work in works.items():
        before_each()
        await limit.run(name, work)
    ledger: Ledger = []
    for number in range(rounds):
        for name, work in works.items():
            before_each()
            gc.collect()  # no work is charged for the garbage of another one,
            gc.freeze()  # nor for the caches that a walk over what is kept empties, a longer walk with each round
            row = await _measured(name, work, outside, limit)
            if row is not None:
                ledger.append({"work": name, "round": number, **row})
    return ledger


async def _measured(name: str, work: Work, outside: Callable[[], float], limit: Limit) -> dict[str, float] | None:
    """Return the measurement of the try that was completed; None if none was."""
    found: list[dict[str, float]] = []

    async def once() -> None:
        before, started = outside(), time.process_time()
        result = await work()
        own = time.process_time() - started
        used = result.cpu_s if isinstance(result, UsedElsewhere) else own
        found.append({"cpu_s": used, "outside_s": outside() - before})

    return found[-1] if await limit.run(name, once) else None


def typical(ledger: Ledger, work: str, *, own: bool = False) -> float:
    """Return the median CPU seconds of one run. `own`: without the time that another machine would spend."""
    rows = [row for row in ledger if row["work"] == work]
    return median([row["cpu_s"] - (row["outside_s"] if own else 0.0) for row in rows])
