"""Measure reminders while very many contracts wait: how late and how fast messages are sent, and the CPU time of an
idle worker.

The provider is a separate program that keeps a raw ledger. The moment at which it accepted a message counts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.programs.server import made_server
from bench.results import Result, percentile
from bench.simulated.asleep import add_waiting_contracts
from bench.simulated.codes import codes
from bench.simulated.crowd import Crowd, CrowdPerson
from bench.simulated.night import a_day_in_small, overnight
from bench.simulated.providers import provider, read_ledger
from bench.stage import FAST, PATIENCE, PLENTY, Stage, pace, until
from hub.lifecycle.reminders.reschedule import replan_later
from hub.model.staff.scope import EVERYTHING
from hub.store.reminders.policies import PolicyChange
from hub.store.transaction import Database

ROUNDS, ASLEEP = 3000, 1_000_000
FEW_ASLEEP = 10_000
DUE_PER_S = 100
IDLE_SECONDS = 20
WORKERS = (1, 2, 4)
# Shares of the waiting contracts: those that are replanned; invitations that wait for a slow provider while people ask
# for codes; messages that fall due at night.
PLANNED_SHARE, WAITING_SHARE, OVERNIGHT_SHARE = 0.1, 0.05, 0.1
PLANNED_CAMPUS = "guangzhou"
CODES = 40
LATER = 10_000_000


def run(rounds: int, asleep: int = ASLEEP) -> Result:
    """Measure with `asleep` waiting contracts. `rounds`: the number of messages in each part that sends any."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage("reminders", Path(folder))
        asyncio.run(_measured(stage, rounds, asleep))
        raw = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return Result("reminders", stage.figures, stage.rows, raw)


async def _measured(stage: Stage, rounds: int, asleep: int) -> None:
    async with made_server() as server:
        async with provider("sms_twilio", stage.ledger("start")) as options:
            crowd = await Crowd.of_school(server, {"sms_twilio": dict(options)})
        stage.ledger("start").unlink()
        bench = _Bench(stage, crowd, rounds)
        few, planned = min(FEW_ASLEEP, asleep), int(asleep * PLANNED_SHARE)
        await add_waiting_contracts(crowd, LATER, few)
        await bench.rate("rate_10k", 1)
        started = time.perf_counter()
        await add_waiting_contracts(crowd, LATER + few, max(0, asleep - few - planned))
        await add_waiting_contracts(crowd, LATER + asleep, planned, PLANNED_CAMPUS)
        stage.rows.append({"work": "fall asleep", "number": asleep, "wall_s": time.perf_counter() - started})
        for workers in WORKERS:
            await bench.rate(f"rate_1m_{workers}_workers", workers)
        figures = stage.figures
        figures["rate_ratio_1m_vs_10k"] = figures["rate_1m_1_workers_per_s"] / figures["rate_10k_per_s"]
        await bench.paced()
        await bench.plan_anew(planned)
        await overnight(stage, crowd, int(asleep * OVERNIGHT_SHARE))
        await a_day_in_small(stage, crowd, bench.next(rounds), rounds)
        waiting = max(CODES, int(asleep * WAITING_SHARE))
        await codes(stage, crowd, bench.next(waiting), waiting, CODES)
        figures["asleep"] = asleep


class _Bench:
    def __init__(self, stage: Stage, crowd: Crowd, rounds: int) -> None:
        self._stage, self._crowd, self._rounds = stage, crowd, rounds
        self._first = 1

    def next(self, number: int) -> int:
        """Reserve `number` new people. Return the number of the first."""
        first, self._first = self._first, self._first + number
        return first

    async def rate(self, name: str, workers: int) -> None:
        """Measure how many messages are sent per second, from the first to the last, if all are due at once."""
        await self._crowd.server.database.execute(_FORGET)
        people = await self._crowd.create(self.next(self._rounds), self._rounds)
        async with (
            provider("sms_twilio", self._stage.ledger(name)) as options,
            self._crowd.server.running("work", channels=_fast(options), budgets=PLENTY, workers=workers) as used,
        ):
            await self._crowd.fall_due(people, [datetime.now(UTC)] * len(people))
            await self._all_came(name)
            cpu = used()
        moments = [each.at for each in read_ledger(self._stage.ledger(name))]
        self._stage.rows += [
            {"work": name, "number": len(moments), "wall_s": len(moments) / pace(moments), "cpu_s": cpu}
        ]
        self._stage.figures |= {f"{name}_per_s": pace(moments), f"{name}_cpu_ms": cpu / self._rounds * 1000}

    async def paced(self) -> None:
        """Measure the seconds from the moment at which a message is due until the provider accepts it, at an even pace.

        Afterwards the worker has nothing to do, and its idle CPU time is measured.
        """
        await self._crowd.server.database.execute(_FORGET)
        people = await self._crowd.create(self.next(self._rounds), self._rounds)
        async with (
            provider("sms_twilio", self._stage.ledger("paced")) as options,
            self._crowd.server.running("work", channels=_fast(options), budgets=PLENTY) as used,
        ):
            begin = datetime.now(UTC) + timedelta(seconds=3)
            due = [begin + timedelta(seconds=number / DUE_PER_S) for number in range(len(people))]
            await self._crowd.fall_due(people, due)
            await self._all_came("paced")
            self._judge_paced(people, due)
            await asyncio.sleep(2)
            before, started = used.of_workers(), time.perf_counter()
            await asyncio.sleep(IDLE_SECONDS)
            share = (used.of_workers() - before) / (time.perf_counter() - started)
            self._stage.figures |= {"idle_cpu_percent": share * 100, "worker_rss_mb": used.largest_mb()}

    def _judge_paced(self, people: Sequence[CrowdPerson], due: Sequence[datetime]) -> None:
        taken = {each.to: each.at for each in read_ledger(self._stage.ledger("paced"))}
        late = [(taken[person.phone] - moment).total_seconds() for person, moment in zip(people, due, strict=True)]
        self._stage.rows += [{"work": "due to sent", "wall_s": each} for each in late]
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
            self._stage.figures[f"due_to_sent_{name}_s"] = percentile(late, share)

    async def _all_came(self, name: str) -> None:
        ledger = self._stage.ledger(name)

        async def look() -> bool:
            return ledger.read_text().count('"accepted"') >= self._rounds

        await until(look, PATIENCE)

    async def plan_anew(self, number: int) -> None:
        """Change the policy of a campus, and measure how many of its waiting contracts are replanned per second."""
        server, keys = self._crowd.server, self._crowd.keys
        before = await server.database.fetchval(_PLANNED)
        async with (
            provider("sms_twilio", self._stage.ledger("planned")) as options,
            server.running("work", channels=_fast(options), budgets=PLENTY),
        ):
            database = Database(server.postgres.dsn("app"), keys, lambda: datetime.now(UTC))
            async with database.transaction(EVERYTHING) as tx:
                change = PolicyChange(PLANNED_CAMPUS, "campus", PLANNED_CAMPUS, {"reminders_after": ["2d", "5d"]})
                await tx.policies.put(change, "bench", tx.now)
                await replan_later(tx, PLANNED_CAMPUS, None)
            await database.close()
            started = time.perf_counter()

            async def look() -> bool:
                return bool(await server.database.fetchval(_PLANNED) - before >= number)

            await until(look, PATIENCE)
            took = time.perf_counter() - started
        self._stage.ledger("planned").unlink()
        self._stage.rows.append({"work": "plan anew", "number": number, "wall_s": took})
        self._stage.figures["planned_per_s"] = number / took


# The double sends no receipts. Without this, the hub would later ask about the messages of an earlier part.
_FORGET = "UPDATE delivery SET check_at = NULL WHERE check_at IS NOT NULL"
_PLANNED = "SELECT count(*) FROM reminder_entry WHERE reason = 'policy-changed'"


def _fast(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"sms_twilio": {**options, "rate": FAST, "codes_share": 0.05}}
