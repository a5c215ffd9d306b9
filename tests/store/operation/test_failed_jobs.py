"""An operator sees why jobs failed, and runs one again or deletes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.doctor import DoctorFinding, examine
from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.failed_jobs import FailedJob, describe_reason
from hub.store.operation.jobs import ALERT, MAX_STARTS
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.sealing.test_job_queue import queue_of
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with quiet_hub() as running:
        yield running


async def fail_one(running: Running, dedupe_key: str = "one") -> FailedJob:
    """Have a worker fail at a job about an alert whose id is none."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.jobs.enqueue(ALERT, {"alert": "no id"}, dedupe_key)

    async def found() -> list[FailedJob]:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return await tx.failed_jobs.list_all()

    async with queue_of(running):
        return (await until(found))[-1]


async def state_of(running: Running, job: int) -> tuple[str, int]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        row = (await tx.connection.fetch("SELECT status, attempts FROM pgqueuer WHERE id = $1", job)).one()
        return row[0], row[1]


async def doctor_on_jobs(running: Running) -> DoctorFinding:
    return next(each for each in await examine(running.hub) if each.part == "jobs")


async def test_a_failed_job_has_its_reason_without_the_values_in_it(running: Running) -> None:
    assert str(await doctor_on_jobs(running)) == "ok   jobs: none has failed"
    job = await fail_one(running)
    assert (job.kind, job.payload) == (ALERT, {"alert": "no id"})
    assert job.reason.startswith("ValueError (job_queue.py:") and "no id" not in job.reason
    finding = await doctor_on_jobs(running)
    assert finding.attention and finding.words == "1 FAILED and are tried again: `qianda jobs list` says why"


async def test_an_error_of_ours_is_told_in_its_own_words() -> None:
    assert describe_reason(DatabaseUnavailable("no route")) == "DatabaseUnavailable: no route"


@pytest.mark.parametrize(("starts", "left"), [(1, 1), (MAX_STARTS, 1), (MAX_STARTS + 1, MAX_STARTS - 1)])
async def test_a_job_that_is_run_again_is_no_first_start(running: Running, starts: int, left: int) -> None:
    job = (await fail_one(running)).id
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.fetch("UPDATE pgqueuer SET attempts = $1", starts)
        assert await tx.failed_jobs.lock(job) is False
        await tx.failed_jobs.retry(job)
    assert await state_of(running, job) == ("queued", left)


async def test_only_failed_jobs_are_found_and_those_whose_work_waits_are_told(running: Running) -> None:
    job = (await fail_one(running)).id
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.jobs.enqueue(ALERT, {"alert": str(uuid4())}, "other work")
        assert await tx.failed_jobs.lock(job) is False
        await tx.jobs.enqueue(ALERT, {"alert": "no id"}, "two")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.failed_jobs.lock(job) is True
        await tx.failed_jobs.drop(job)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        live = [row[0] for row in await tx.connection.fetch("SELECT id FROM pgqueuer")]
        assert job not in live and len(live) == 2
        assert [await tx.failed_jobs.lock(each) for each in live] == [None, None]


async def test_two_operators_do_not_act_on_one_job_at_a_time(running: Running) -> None:
    job = (await fail_one(running)).id
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.failed_jobs.lock(job) is False
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), running.hub.database.transaction(EVERYTHING) as other:
                await other.failed_jobs.lock(job)
