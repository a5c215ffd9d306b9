"""Count the numbers of the board once for everybody who looks at the same campuses."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from hub.model.staff.scope import Scope
from hub.store.transaction import Database

# Each open tab of the board asks every five seconds. Numbers are kept for this many times as long as counting took.
KEPT_TIMES = 20
# Numbers whose counting took at most this many seconds are not kept.
COUNTED_EACH_TIME = 0.05


@dataclass(frozen=True)
class BoardCounts:
    """Numbers of contracts by state, and by group (see `hub.store.board.board_counts`). `until`: the time until which
    they are shown, on the monotonic clock."""

    states: Mapping[str, int]
    named: Mapping[str, int]
    until: float


class KeptCounts:
    def __init__(self, kept_times: float = KEPT_TIMES, counted_each_time: float = COUNTED_EACH_TIME) -> None:
        self._kept_times, self._counted_each_time = kept_times, counted_each_time
        self._kept: dict[str, BoardCounts] = {}
        self._alone: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_or_count(self, database: Database, scope: Scope) -> BoardCounts:
        """Return the numbers of these campuses. Requests that come while they are being counted wait for the count."""
        async with self._alone[scope.setting]:
            kept = self._kept.get(scope.setting)
            if kept is None or kept.until <= time.monotonic():
                kept = self._kept[scope.setting] = await self._count(database, scope)
            return kept

    async def _count(self, database: Database, scope: Scope) -> BoardCounts:
        begun = time.monotonic()
        async with database.transaction(scope) as tx:
            states, named = await tx.board.get_counts(tx.planning_now)
        ended = time.monotonic()
        took = ended - begun
        return BoardCounts(states, named, ended + took * self._kept_times if took > self._counted_each_time else ended)


COUNTS = web.AppKey("board_counts", KeptCounts)
