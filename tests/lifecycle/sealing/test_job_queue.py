"""How often a worker asks for jobs, and that none is left waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from hub.lifecycle.reminders.bulk_remind import begin_reminding, remind_many
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.jobs import COMPLETE, JOB_KINDS, Job, take_jobs
from hub.worker.job_queue import JobQueue
from tests.lifecycle.clockwork import MORNING, StandingClock, quiet_hub, waiting
from tests.lifecycle.signer import record_of, signed
from tests.lifecycle.trouble import Overtaken
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = timedelta(hours=1)


@asynccontextmanager
async def queue_of(running: Running, rest: timedelta = LONG) -> AsyncIterator[None]:
    """Run the jobs of this hub. Only a NOTIFY, the end of a job or the end of `rest` makes the queue look again."""
    stop = asyncio.Event()
    working = asyncio.create_task(JobQueue(running.hub, LONG, rest, lambda _: None).run_jobs(stop))
    try:
        yield
    finally:
        stop.set()
        await working


async def waiting_jobs(running: Running) -> list[str]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        rows = await tx.connection.execute(text("SELECT dedupe_key FROM pgqueuer WHERE entrypoint = 'complete'"))
        return [row[0] for row in rows]


async def enqueue(running: Running, **contracts: Contract) -> None:
    """Add a job for each contract, with this key."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for key, contract in contracts.items():
            await tx.jobs.enqueue(COMPLETE, {"contract": str(contract.id)}, key)


async def test_a_worker_takes_jobs_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        asked: list[set[str]] = []

        async def noted(*words: Any) -> list[Job]:
            asked.append(set(words[3]))
            return await take_jobs(*words)

        async def has_asked() -> bool:
            return bool(asked)

        monkeypatch.setattr("hub.worker.job_queue.take_jobs", noted)
        async with queue_of(running):
            await until(has_asked)
        assert asked[0] == set(JOB_KINDS)


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


async def test_a_place_that_becomes_free_while_the_worker_asks_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four contracts may be finished at a time. Three are locked by somebody else, and one is let go at the moment."""
    async with quiet_hub() as running:
        locked, released, free = [await running.issue_minor() for _ in range(3)]
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(*words: Any) -> list[Job]:
            jobs = await take_jobs(*words)
            if [job.payload["contract"] for job in jobs] == [str(locked.id)]:
                asked.set()
                await go_on.wait()
            return jobs

        async def others_run() -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                picked = "SELECT count(*) FROM pgqueuer WHERE status = 'picked'"
                return bool(await tx.connection.scalar(text(picked)) == 3)

        async def released_has_ended() -> bool:
            return "released" not in await waiting_jobs(running)

        async def free_has_ended() -> bool:
            return "free" not in await waiting_jobs(running)

        monkeypatch.setattr("hub.worker.job_queue.take_jobs", slowly)
        async with queue_of(running), running.hub.database.transaction(EVERYTHING) as holding:
            await holding.contracts.lock_contract(locked.id)
            async with running.hub.database.transaction(EVERYTHING) as held_shortly:
                await held_shortly.contracts.lock_contract(released.id)
                await enqueue(running, one=locked, two=locked, released=released)
                await until(others_run)
                await enqueue(running, three=locked, free=free)
                await asked.wait()
            await until(released_has_ended)
            go_on.set()
            await until(free_has_ended, 20)  # after a minute, the locked ones give up and wake the queue


async def test_a_closing_that_takes_longer_than_the_next_try_is_not_begun_twice() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        timestamps = Overtaken(clock, number=2)  # that of the seal
        timestamps.serve(running)
        contract = await running.issue_minor()
        await signed(running, contract)
        (first,) = await waiting_jobs(running)
        seen = []

        async def minutes_pass() -> None:
            for _ in range(3):
                clock.advance(timedelta(minutes=5))
                await running.worker.periodic.upkeep()
                seen.append(await waiting_jobs(running))

        timestamps.overtaken_by = minutes_pass
        async with queue_of(running):
            await running.completed(contract)
        assert seen == [[first]] * 3
        async with running.hub.database.transaction(EVERYTHING) as tx:
            attempts = [each["kind"] for each in await tx.signatures.list_attempts(contract.id)]
        assert (attempts.count("seal"), attempts.count("close")) == (1, 1)
        assert (await record_of(running, contract)).count("seal-used") == 1


async def test_a_worker_keeps_its_jobs_until_they_have_ended_also_when_it_stops() -> None:
    """Otherwise another worker would run them beside it."""
    async with quiet_hub() as running:
        contract, stop, beats = await running.issue_minor(), asyncio.Event(), set[object]()
        queue = JobQueue(running.hub, timedelta(seconds=3), LONG, lambda _: None)

        async def lease_was_renewed() -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                beats.add(await tx.connection.scalar(text("SELECT heartbeat FROM pgqueuer")))
            return len(beats) > 1

        async with running.hub.database.transaction(EVERYTHING) as holding:
            await holding.contracts.lock_contract(contract.id)
            await enqueue(running, one=contract)
            working = asyncio.create_task(queue.run_jobs(stop))
            await until(lambda: waiting(running, 1))
            await until(lease_was_renewed)
            stop.set()
            beats.clear()
            await until(lease_was_renewed)
        await working
        assert await waiting_jobs(running) == []


async def test_a_job_that_the_database_broke_off_ends_by_itself_after_others_did_its_work() -> None:
    broken_off = """
SELECT coalesce(bool_or(pg_terminate_backend(pid)), false) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%contract%'
"""
    async with quiet_hub(StandingClock(moment=MORNING)) as running:

        async def found(statement: str) -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return bool(await tx.connection.scalar(text(statement)))

        async def failed() -> int:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return (await tx.figures.count_some())["jobs"].get("remind-many failed", 0)

        async def has_failed() -> bool:
            return await failed() == 1

        async def no_job_is_left() -> bool:
            await running.worker.periodic.run_round()
            return not await found("SELECT count(*) FROM pgqueuer")

        contract, services = await running.issue_minor(), running.hub.services
        act = await begin_reminding(services, EVERYTHING, [contract.id], "staff:test")
        async with queue_of(running, timedelta(seconds=0.2)):
            async with running.hub.database.transaction(EVERYTHING) as holding:
                await holding.contracts.lock_contract(contract.id)
                await until(lambda: found(broken_off))
            await until(has_failed, 20)
            assert not await remind_many(services, act)
            done = await record_of(running, contract)
            await until(no_job_is_left, 20)
        assert await record_of(running, contract) == done and done.count("reminded-by-hand") == 1


async def test_a_job_that_fails_just_when_its_worker_stops_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with quiet_hub() as running:
        stop = asyncio.Event()

        async def stop_and_fail(*_: Any) -> None:
            stop.set()
            raise RuntimeError("broken")

        monkeypatch.setattr("hub.lifecycle.sealing.finalise.advance", stop_and_fail)
        await enqueue(running, one=await running.issue_minor())
        await JobQueue(running.hub, LONG, LONG, lambda _: None).run_jobs(stop)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.connection.scalar(text("SELECT status FROM pgqueuer")) == "failed"


async def test_a_job_that_fails_while_its_worker_asks_for_more_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not end in time for that report. If the next one left it out, it would be run again, and never be seen."""
    async with quiet_hub() as running:
        has_looked, may_fail, has_failed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def fail(*_: Any) -> None:
            await may_fail.wait()
            has_failed.set()
            raise RuntimeError("broken")

        async def slowly(*words: Any) -> list[Job]:
            jobs = await take_jobs(*words)
            has_looked.set()
            if words[1]:  # a job runs
                may_fail.set()
                await has_failed.wait()
            return jobs

        async def all_are(status: str, count: int) -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                rows = await tx.connection.execute(text("SELECT status FROM pgqueuer"))
                return [str(row[0]) for row in rows] == [status] * count

        monkeypatch.setattr("hub.lifecycle.sealing.finalise.advance", fail)
        monkeypatch.setattr("hub.worker.job_queue.take_jobs", slowly)
        contract = await running.issue_minor()
        async with queue_of(running):
            await asyncio.wait_for(has_looked.wait(), 60)
            await enqueue(running, one=contract)
            await until(lambda: all_are("picked", 1))
            await enqueue(running, two=contract)
            await until(lambda: all_are("failed", 2))
