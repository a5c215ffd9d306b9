"""How often a worker asks for jobs, and that none is left waiting."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from hub.model.staff.accounts import EVERYTHING
from hub.store.operation.jobs import COMPLETE
from hub.worker.job_queue import JobQueue
from tests.lifecycle.clockwork import quiet_hub
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = timedelta(hours=1)


async def test_a_worker_asks_once_for_each_job_and_takes_those_that_had_no_place() -> None:
    async with quiet_hub() as running:
        contract, looks, stop = await running.issue_minor(), list[float](), asyncio.Event()
        queue = JobQueue(running.hub, LONG, LONG, looks.append)
        working = asyncio.create_task(queue.run_jobs(stop))

        async def add(*keys: str) -> None:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                for key in keys:  # nothing is left to do for this contract, so that each job ends at once
                    await tx.jobs.enqueue(COMPLETE, {"contract": str(contract.id)}, key)

        async def all_are_done() -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return not await tx.connection.scalar(text("SELECT count(*) FROM pgqueuer"))

        async def has_looked() -> bool:
            return bool(looks)

        await until(has_looked)
        for number in range(3):
            await add(f"single-{number}")
            await until(all_are_done)
        assert len(looks) == 1 + 3
        await add(*(f"many-{number}" for number in range(9)))
        await until(all_are_done)
        stop.set()
        await working
