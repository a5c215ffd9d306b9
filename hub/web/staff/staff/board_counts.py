"""The numbers of the board, counted once for all who look at the same campuses."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from hub.model.staff.accounts import Scope
from hub.store.transaction import Database

# A board asks every five seconds for each open tab. What took long to count is shown for so many times as long; what
# took less than this many seconds is counted each time.
KEPT_TIMES = 20
COUNTED_EACH_TIME = 0.05


@dataclass(frozen=True)
class BoardCounts:
    """Numbers of contracts by state, and by name (see `hub.store.staff.board_counts`). `until`: how long they are
    shown, on the monotonic clock."""

    states: Mapping[str, int]
    named: Mapping[str, int]
    until: float


class KeptCounts:
    def __init__(self, kept_times: float = KEPT_TIMES, counted_each_time: float = COUNTED_EACH_TIME) -> None:
        self._kept_times, self._counted_each_time = kept_times, counted_each_time
        self._kept: dict[str, BoardCounts] = {}
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_or_count(self, database: Database, scope: Scope) -> BoardCounts:
        """Return the numbers of these campuses. Whoever asks while they are being counted waits for that count."""
        async with self._alone[scope.setting]:
            kept = self._kept.get(scope.setting)
            if kept is None or kept.until <= time.monotonic():
                kept = self._kept[scope.setting] = await self._count(database, scope)
            return kept

    async def _count(self, database: Database, scope: Scope) -> BoardCounts:
        begun = time.monotonic()
        async with database.transaction(scope) as tx:
            states, named = await tx.board.counts(tx.planning_now)
        ended = time.monotonic()
        took = ended - begun
        return BoardCounts(states, named, ended + took * self._kept_times if took > self._counted_each_time else ended)


COUNTS = web.AppKey("board_counts", KeptCounts)
