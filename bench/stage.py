"""Collect the figures of a bench that runs the product, and time what it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

# Messages per second of a provider that is never the bottleneck.
FAST = 10_000.0
# Limits that are never reached: all people are at one campus, and many of their numbers share a prefix.
PLENTY = {"per_campus_day": 100_000_000, "per_prefix_hour": 100_000}
PATIENCE = 1800.0
LOOK_EVERY = 0.25


@dataclass
class Stage:
    """The figures and rows of a run. The providers keep their ledgers in `folder`."""

    name: str
    folder: Path
    figures: dict[str, float] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def ledger(self, name: str) -> Path:
        return self.folder / f"{self.name}.{name}.jsonl"


def pace(moments: Sequence[datetime]) -> float:
    """Return how many moments there are per second, from the first to the last."""
    wall = (max(moments) - min(moments)).total_seconds() if len(moments) > 1 else 0.0
    return len(moments) / wall if wall else 0.0


async def paced(acts: Sequence[Callable[[], Awaitable[object]]], per_second: float) -> list[float]:
    """Begin each act at its planned moment, regardless of the acts before it. Return the seconds from each moment to
    the end of its act."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + 0.1

    async def one(number: int, act: Callable[[], Awaitable[object]]) -> float:
        due = begin + number / per_second
        await asyncio.sleep(due - loop.time())
        await act()
        return loop.time() - due

    return list(await asyncio.gather(*(one(number, act) for number, act in enumerate(acts))))


async def until(look: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until `look` returns True, for at most `seconds`. If it never does, the caller's figures show it."""
    deadline = time.perf_counter() + seconds
    while not await look() and time.perf_counter() < deadline:
        await asyncio.sleep(LOOK_EVERY)
