"""Kill workers, web processes and the database with SIGKILL: first all workers during a call, then processes at
random."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from bench.programs.demo import tree
from bench.programs.endings import ask
from bench.programs.server import Server
from bench.stage import Stage
from hub.model.sealing.finalise import ATTEMPTS

DATABASE_SHARE = 1 / 6
WORKER = "worker"
WHAT = ("web", WORKER)
# Factors on the mean pause between two kills.
UNEVEN = (0.5, 1.5)
# Seconds.
LOOK_EVERY, AIM_TIMEOUT = 0.01, 180.0
_CALLS = "SELECT id FROM attempt WHERE kind = ANY($1) AND ended_at IS NULL"


@dataclass
class Killer:
    """Kills `kills` processes: first all workers, as soon as one is in a call, then others, spread over `length`
    seconds.

    `supervisors` (of web processes and of workers) restart what is killed here, the database included.
    """

    stage: Stage
    server: Server
    supervisors: Sequence[int]
    kills: int
    length: float
    killed: int = 0
    aimed_at: list[UUID] = field(default_factory=list)
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def run(self) -> None:
        await self._aim()
        while self.killed < self.kills:
            await asyncio.sleep(self.chance.uniform(*UNEVEN) * self.length / self.kills)
            if found := self._victim():  # otherwise the victim is being restarted
                self._kill(*found)

    async def count_cut_off(self) -> int:
        """Return how many calls the kill of all workers interrupted. Such a call never ends; a new one replaces it."""
        rows = await ask(
            self.server, "SELECT count(*) FROM attempt WHERE id = ANY($1) AND ended_at IS NULL", self.aimed_at
        )
        return int(rows[0][0])

    async def _aim(self) -> None:
        deadline = time.monotonic() + AIM_TIMEOUT
        while not self.aimed_at and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY)
            if not await self._list_calls():
                continue
            workers = [pid for pid, what in self._children() if what == WORKER]
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            self.aimed_at = await self._list_calls()
            for pid in workers:
                if self.aimed_at:
                    self._kill(pid, WORKER)
                else:  # the call ended before the workers were stopped
                    os.kill(pid, signal.SIGCONT)

    async def _list_calls(self) -> list[UUID]:
        """Return the calls to outside services that workers are waiting for, before the first kill."""
        return [row[0] for row in await self.server.database.fetch(_CALLS, list(chain(*ATTEMPTS.values())))]

    def _kill(self, pid: int, what: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed += 1
            self.stage.rows.append({"work": "kill", "what": what, "at": datetime.now(UTC).isoformat()})

    def _victim(self) -> tuple[int, str] | None:
        if self.chance.random() < DATABASE_SHARE:
            with contextlib.suppress(FileNotFoundError, ValueError, IndexError):  # the file is being written
                return self.server.postgres.server_pid(), "database"
        children = self._children()
        return self.chance.choice(children) if children else None

    def _children(self) -> list[tuple[int, str]]:
        return [
            (each.pid, what)
            for pid, what in zip(self.supervisors, WHAT, strict=True)
            for each in tree(pid)
            if each.parent == pid and "spawn_main" in each.command
        ]
