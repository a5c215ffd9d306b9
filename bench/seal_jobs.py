"""Measure a worker that seals files of another system, as in production: plain seals, long-term seals, and a worker
that is killed in between.

The files and the results are in a folder that is configured as an object store. Each file is a contract as Typst lays
it out, without a form.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from bench.pieces.school import BenchPrinter
from bench.programs.demo import tree
from bench.programs.server import Server, Usage, made_server
from bench.results import Result
from hub.lifecycle.sealing.jobs.seal_jobs import begin_seal_job
from hub.lifecycle.sealing.seals.contract_seal import get_configured_seal
from hub.model.school.course import Campus
from hub.model.sealing.seal_grant import Grantee, GranteeKind, SealGrant
from hub.model.sealing.seal_job import SealClient, SealJob, SealLevel, SealTerms, StorePrefix
from hub.model.staff.accounts import ApiKey
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Database
from hub.wiring import Hub, build

# Files of each job.
ROUNDS = 2_000
# The kinds of jobs, each with its level and how often its worker is killed.
JOBS = {"plain": (SealLevel.PLAIN, 0), "lasting": (SealLevel.LASTING, 0), "killed": (SealLevel.PLAIN, 1)}
PARTS = tuple(JOBS)
CLIENT = "bench"
# The most seconds that a job may take until the next file is done.
STALLED = 180.0
LOOK_EVERY = 0.5
_LINES = """
SELECT about, count(*) FILTER (WHERE outcome = 'sealed') AS sealed FROM seal_use WHERE about LIKE $1 GROUP BY about
"""
PLACE = "page:last,150,240"


def run(rounds: int, part: str = "") -> Result:
    """Measure jobs of `rounds` files each. `part`: the only kind of job; empty for all of them."""
    ledger = asyncio.run(_measured(rounds, (part,) if part else PARTS))
    figures: dict[str, float] = {}
    for row in ledger:
        work, files = row["work"], row["files"]
        figures[f"files_per_s_{work}"] = files / row["wall_s"]
        figures[f"cpu_ms_per_file_{work}"] = 1000 * row["cpu_s"] / files
        figures[f"files_per_s_{work}_if_cpus_were_free"] = (os.cpu_count() or 1) * files / row["cpu_s"]
        figures[f"worker_mb_{work}_first"], figures[f"worker_mb_{work}_last"] = row["first_mb"], row["last_mb"]
        figures[f"twice_{work}"], figures[f"lost_{work}"] = row["twice"], row["lost"]
    return Result("seal-jobs", figures, ledger)


async def _measured(files: int, works: Sequence[str]) -> list[dict[str, Any]]:
    async with made_server() as server:
        store, key = server.folder / "store", uuid4()
        await asyncio.to_thread(_write_files, store / "in", files)
        configured = {
            "seal_files": {
                "stores": {"bench": {"url": store.as_uri(), "clients": [CLIENT]}},
                "children": os.cpu_count() or 1,
            }
        }
        hub = await build(server.settings(**configured), server.postgres.dsn("app"), demo=False)
        try:
            await _make_client(hub, key)
            bench = _JobBench(server, hub, key, configured)
            return [await bench.measure(work) for work in works]
        finally:
            await hub.close()


def _write_files(folder: Path, files: int) -> None:
    printer = BenchPrinter()
    try:
        document = printer.lay_out().pdf
    finally:
        printer.close()
    for number in range(files):
        path = folder / f"{number // 1000:03}" / f"{number:06}.pdf"
        if number % 1000:
            path.hardlink_to(folder / f"{number // 1000:03}" / f"{number // 1000 * 1000:06}.pdf")
        else:
            path.parent.mkdir(parents=True)
            path.write_bytes(document)


async def _make_client(hub: Hub, key: UUID) -> None:
    async with hub.database.transaction(EVERYTHING) as tx:
        if await tx.school.find_headquarters() is None:
            await tx.school.put_campus(Campus("hq", None, "总部", "Headquarters", "Asia/Shanghai"))
        headquarters = await tx.school.find_headquarters()
        assert headquarters is not None
        await tx.api_keys.add(ApiKey(key, CLIENT, headquarters.id), f"secret-{key}", tx.now)
        seal = await get_configured_seal(hub.services, tx)
        grantee = Grantee(GranteeKind.CLIENT, CLIENT)
        await tx.seals.add_grant(SealGrant(uuid4(), seal.id, grantee, headquarters.id, (), "bench", tx.now))


@dataclass(frozen=True)
class _JobBench:
    server: Server
    hub: Hub
    key: UUID
    configured: dict[str, Any]

    async def measure(self, work: str) -> dict[str, Any]:
        """Run one job to its end with one worker, which may be killed with SIGKILL in between."""
        level, kills = JOBS[work]
        cpu, memory = 0.0, list[float]()
        async with self.server.running("work", **self.configured) as usage:
            job, started, before = await self._begin(work, level), time.perf_counter(), usage()
            async for state in self._states(job):
                done = state.sealed + state.failed
                memory.append(_worker_mb(usage))
                if kills and done >= state.total / 2 > 0:
                    cpu, kills = cpu + usage() - before, kills - 1
                    killed = [process.pid for pid in usage.commands for process in tree(pid)]
                    for pid in killed:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                    break
            else:
                cpu += usage() - before
        if not await self._is_over(job):
            async with self.server.running("work", **self.configured) as usage:
                before = usage()
                async for _ in self._states(job):
                    memory.append(_worker_mb(usage))
                cpu += usage() - before
        wall = time.perf_counter() - started
        half = len(memory) // 2
        facts = {"first_mb": max(memory[: half or 1]), "last_mb": max(memory[half:])}
        return {"work": work, "wall_s": wall, "cpu_s": cpu, **facts, **await self._judged(job, work)}

    async def _begin(self, work: str, level: SealLevel) -> UUID:
        async with self.hub.database.transaction(EVERYTHING) as tx:
            seal = await get_configured_seal(self.hub.services, tx)
            source, target = StorePrefix("bench", "in/"), StorePrefix("bench", f"out-{work}/")
            terms = SealTerms(seal.id, PLACE, level, source, target)
            client = SealClient(self.key, CLIENT, seal.campus)
            return (await begin_seal_job(self.hub.services, tx, client, terms, None)).id

    async def _states(self, job: UUID) -> AsyncIterator[SealJob]:
        """Yield the state of a job until it has ended. Raises RuntimeError if it makes no progress."""
        seen, since = -1, time.monotonic()
        while True:
            state = await _state(self.hub.database, job)
            if state.ended_at is not None:
                return
            yield state
            if state.left != seen:
                seen, since = state.left, time.monotonic()
            if time.monotonic() - since > STALLED:
                raise RuntimeError(f"the job stands still: {state}")
            await asyncio.sleep(LOOK_EVERY)

    async def _is_over(self, job: UUID) -> bool:
        return (await _state(self.hub.database, job)).ended_at is not None

    async def _judged(self, job: UUID, work: str) -> dict[str, Any]:
        """Count lost results, and results that the register or the store contains twice."""
        state = await _state(self.hub.database, job)
        folder = self.server.folder / "store" / f"out-{work}"
        results = await asyncio.to_thread(lambda: sum(1 for _ in folder.glob("*/*.pdf")))
        lines = await self.server.database.fetch(_LINES, f"seal-job:{job}/%")
        sealed = sum(1 for line in lines if line["sealed"] == 1)
        lost = state.total - min(state.sealed, results, sealed)
        return {"files": state.total, "lost": lost, "twice": sum(1 for line in lines if line["sealed"] > 1)}


async def _state(database: Database, job: UUID) -> SealJob:
    async with database.transaction(EVERYTHING) as tx:
        return await tx.seal_jobs.get(job)


def _worker_mb(usage: Usage) -> float:
    return usage.largest_mb() if usage.workers else 0.0
