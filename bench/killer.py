"""Kill workers, web processes and the database at random, by SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bench.demo import tree
from bench.server import Server
from bench.stage import Stage

DATABASE_SHARE = 1 / 6
WHAT = ("web", "worker")
# Factors on the mean pause between two kills.
UNEVEN = (0.5, 1.5)


@dataclass
class Killer:
    """Kills `kills` processes, spread over `length` seconds.

    `supervisors` (of web processes and of workers) restart what is killed here, the database included.
    """

    stage: Stage
    server: Server
    supervisors: Sequence[int]
    kills: int
    length: float
    killed: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    async def run(self) -> None:
        while self.killed < self.kills:
            await asyncio.sleep(self.chance.uniform(*UNEVEN) * self.length / self.kills)
            self._kill()

    def _kill(self) -> None:
        found = self._victim()
        if found is None:  # the victim is just being restarted
            return
        pid, what = found
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed += 1
            self.stage.rows.append({"work": "kill", "what": what, "at": datetime.now(UTC).isoformat()})

    def _victim(self) -> tuple[int, str] | None:
        if self.chance.random() < DATABASE_SHARE:
            with contextlib.suppress(FileNotFoundError, ValueError, IndexError):  # the file is just being written
                return self.server.postgres.server_pid(), "database"
        children = [
            (each.pid, what)
            for pid, what in zip(self.supervisors, WHAT, strict=True)
            for each in tree(pid)
            if each.parent == pid and "spawn_main" in each.command
        ]
        return self.chance.choice(children) if children else None
