"""Take contracts through their life while workers, web processes and the database are killed at random (SIGKILL).

Provider, authority, timestamp service and seal service (in front of a token) are separate programs with raw ledgers,
which survive every kill. All of them are slow, and some of their replies get lost. The school's own system asks for
contracts. Guardians sign with the product's own client and read their messages in the provider's ledger. In the end,
the ledgers and the finished files are judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp

from bench.judges.fault_judge import judge, unsettled
from bench.programs.endings import Endings
from bench.programs.killer import Killer
from bench.programs.outside import outside
from bench.programs.server import Server, made_server
from bench.results import Result
from bench.simulated.crowd import Crowd
from bench.simulated.guardians import Guardian, Messages
from bench.simulated.office import Office
from bench.simulated.population import TAIL_OF_COPIES, Population
from bench.simulated.providers import provider
from bench.stage import FAST, PLENTY, Stage

ROUNDS, MIN_ROUNDS = 10_000, 10
# The share of contracts that are really signed and sealed.
SIGNING = 0.4
# There is one kill for each KILL_EACH contracts. With few contracts, there is one for three, up to MIN_KILLS.
KILL_EACH, MIN_KILLS = 50, 20
# Tasks that are opened per second, unless the kills take longer.
PER_SECOND = 4.5
# The shortest mean time between two kills, in seconds, because a killed process has to load everything again.
PAUSE = 3.0
LOSE, LOSE_OUTSIDE, SLOW, WORKERS, AT_ONCE = 0.05, 0.02, 0.3, 2, 16
# Seconds. If no contract ends for this long after the last kill, when all tasks are open, the rest count as lost.
PATIENCE = 900.0


def run(rounds: int, signing: float = SIGNING) -> Result:
    """Measure `rounds` contracts, at least MIN_ROUNDS. `signing`: the share of them that is signed."""
    rounds = max(rounds, MIN_ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage("faults", Path(folder))
        asyncio.run(_measured(stage, rounds, signing))
        raw = {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.suffix == ".jsonl"}
        return Result("faults", stage.figures, stage.rows, raw)


async def _measured(stage: Stage, rounds: int, signing: float) -> None:
    started = time.monotonic()
    async with _outsiders(stage) as (server, configured):
        crowd = await Crowd.of_school(server, configured["channels"])
        people = await Population.create(crowd, rounds, signing)
        office = await Office.of_school(crowd)
        await server.renew(**configured)  # from now on, the seal service signs
        kills = max(1, min(MIN_KILLS, rounds // 3), rounds // KILL_EACH)
        length = max(rounds / PER_SECOND, kills * PAUSE)
        async with server.running("serve", "work", workers=WORKERS, **configured) as used:
            killer = Killer(stage, server, used.commands, kills, length)
            life = _Life(crowd, people, office, Messages(stage.ledger("sms_twilio")), timedelta(seconds=length))
            await life.live(killer)
        stage.figures |= {
            "contracts": rounds,
            "signing": len(people.signing),
            "signing_share": len(people.signing) / rounds,
            "kills": killer.killed,
            "interrupted": life.interrupted.total(),
            "cut_off": await killer.count_cut_off(),
        }
        stage.rows += [{"work": "interrupted", "what": what, "times": each} for what, each in life.interrupted.items()]
        stage.rows += [{"work": "refused", "what": what, "times": each} for what, each in office.refusals.items()]
        stage.figures |= await judge(server, people, stage)
    stage.figures["minutes"] = (time.monotonic() - started) / 60


@contextlib.asynccontextmanager
async def _outsiders(stage: Stage) -> AsyncIterator[tuple[Server, Mapping[str, Any]]]:
    """Run the outside services. Yields the server under test, and its configuration for those services."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(made_server())
        options = await stack.enter_async_context(provider("sms_twilio", stage.ledger("sms_twilio"), LOSE, SLOW))
        others = await stack.enter_async_context(outside(stage, LOSE_OUTSIDE, SLOW / 3))
        channels = {"sms_twilio": {**options, "rate": FAST, "codes_share": 0.2}}
        yield server, {"channels": channels, "budgets": PLENTY, **others}


@dataclass
class _Life:
    crowd: Crowd
    people: Population
    office: Office
    messages: Messages
    length: timedelta
    interrupted: Counter[str] = field(default_factory=Counter)

    async def live(self, killer: Killer) -> None:
        """Open the tasks and kill processes over `length`, then wait until every contract has ended."""
        endings = Endings(self.crowd.server, self.crowd.keys, self.people.ending)
        due = await self.people.fall_due(self.crowd, datetime.now(UTC), self.length)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as http, asyncio.TaskGroup() as tasks:
            gate = asyncio.Semaphore(AT_ONCE)
            watching = tasks.create_task(endings.watch())
            living = [
                tasks.create_task(self._one(each, due[each.phone], http, gate, endings)) for each in self._guardians()
            ]
            await killer.run()
            await asyncio.sleep((max(due.values()) - datetime.now(UTC)).total_seconds())
            await self._until_settled(endings)
            for each in (watching, *living):
                each.cancel()

    async def _until_settled(self, endings: Endings) -> None:
        before, since = -1, time.monotonic()
        while left := endings.missing + await unsettled(self.crowd.server):
            if left != before:
                before, since = left, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                return
            await asyncio.sleep(2)

    def _guardians(self) -> list[Guardian]:
        """Return the guardians of all contracts that are signed or declined."""
        origin, messages, people = self.crowd.server.origin, self.messages, self.people
        guardians = [Guardian(origin, messages, each.phone, TAIL_OF_COPIES, "decline") for each in people.declining]
        guardians += [Guardian(origin, messages, each.phone, TAIL_OF_COPIES, "sign") for each in people.copied]
        return guardians + [Guardian(origin, messages, phone, phone[-4:], "sign") for phone in people.issued]

    async def _one(
        self, guardian: Guardian, due: datetime, http: aiohttp.ClientSession, gate: asyncio.Semaphore, endings: Endings
    ) -> None:
        await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
        if guardian.phone in self._asked_for:
            await self.office.issue(http, guardian.phone)
        try:
            await guardian.live(http, gate, endings.of(guardian.phone))
        finally:
            self.interrupted += guardian.interrupted

    @cached_property
    def _asked_for(self) -> set[str]:
        return set(self.people.issued)
