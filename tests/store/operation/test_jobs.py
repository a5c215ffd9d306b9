"""Jobs are taken once, come back when their worker is gone, and are counted each time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.keys import Keys
from hub.store.operation.jobs import (
    ALERT,
    DEADLY_REST,
    DELIVER,
    JOB_CHANNEL,
    MAX_FAILED_REST,
    MAX_STARTS,
    REPLAN,
    RUNNING_JOB,
    Job,
    take_jobs,
)
from hub.store.transaction import Database
from hub.worker.loops import listening
from tests.database import fresh_database
from tests.running import until
from tests.statements import noted_statements

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
FREE = {DELIVER: 2, ALERT: 1}
LONG = timedelta(hours=1)


class Queue:
    """A database with a queue, and the connections of two workers."""

    def __init__(self, store: Database, one: asyncpg.Connection, other: asyncpg.Connection) -> None:
        self.store, self.one, self.other = store, one, other

    async def add(self, kind: str, *names: str) -> None:
        async with self.store.transaction(EVERYTHING) as tx:
            for name in names:
                await tx.jobs.enqueue(kind, {"name": name}, f"{kind}-{name}")

    async def statuses(self) -> list[str]:
        return [row["status"] for row in await self.one.fetch("SELECT status FROM pgqueuer ORDER BY id")]

    async def lose(self) -> None:
        """Let everybody's leases end."""
        await self.one.execute("UPDATE pgqueuer SET heartbeat = heartbeat - interval '2 hours'")


def named(jobs: list[Job]) -> list[tuple[str, int]]:
    return sorted((job.payload["name"], job.start) for job in jobs)


@pytest.fixture
async def queue() -> AsyncIterator[Queue]:
    async with fresh_database() as dsns, AsyncExitStack() as stack:
        store = Database(dsns.app, Keys.derived_from(bytes(32)), lambda: NOW)
        stack.push_async_callback(store.close)
        connections = [await asyncpg.connect(dsns.app) for _ in range(2)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        yield Queue(store, *connections)


async def test_the_same_job_twice_is_one_and_aborts_nothing(queue: Queue) -> None:
    await queue.add(DELIVER, "same", "same", "other")
    assert named(await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG)) == [("other", 1), ("same", 1)]
    await queue.add(DELIVER, "same")
    assert await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG) == []


async def test_a_kind_that_no_worker_takes_is_refused(queue: Queue) -> None:
    with pytest.raises(ValueError, match="no jobs of the kind delivery"):
        await queue.add("delivery", "a")
    assert await queue.statuses() == []


async def test_each_kind_has_its_own_places_and_no_job_is_taken_twice(queue: Queue) -> None:
    await queue.add(DELIVER, "a", "b", "c")
    await queue.add(ALERT, "d", "e")
    await queue.add(REPLAN, "f")
    assert named(await take_jobs(queue.one, (), {}, FREE, LONG)) == [("a", 1), ("b", 1), ("d", 1)]
    assert named(await take_jobs(queue.other, (), {}, {**FREE, ALERT: 0}, LONG)) == [("c", 1)]
    assert named(await take_jobs(queue.other, (), {}, FREE, LONG)) == [("e", 1)]


async def test_an_ended_job_is_gone_and_a_failed_one_is_parked(queue: Queue) -> None:
    await queue.add(DELIVER, "a", "b")
    first, second = await take_jobs(queue.one, (), {}, FREE, LONG)
    assert await take_jobs(queue.one, (), {first.id: True, second.id: False}, FREE, LONG) == []
    assert await queue.statuses() == ["failed"]
    await queue.lose()
    assert await take_jobs(queue.one, (), {}, FREE, LONG) == []


async def test_a_job_whose_worker_does_not_report_is_taken_by_another_and_counted(queue: Queue) -> None:
    await queue.add(DELIVER, "a", "b")
    taken = {job.payload["name"]: job.id for job in await take_jobs(queue.one, (), {}, FREE, LONG)}
    await queue.lose()
    assert await take_jobs(queue.one, [taken["a"]], {}, {}, LONG) == []
    assert named(await take_jobs(queue.other, (), {}, FREE, LONG)) == [("b", 2)]
    await queue.lose()
    assert await take_jobs(queue.other, (), {}, {}, LONG) == []
    assert await queue.statuses() == ["queued", "queued"]
    # What a worker still runs, or has just ended, nobody takes again.
    assert await take_jobs(queue.one, [taken["a"]], {taken["b"]: True}, FREE, LONG) == []
    assert await queue.statuses() == ["picked"]
    assert await take_jobs(queue.other, (), {}, FREE, LONG) == []


async def test_a_job_that_its_worker_is_just_reporting_is_not_waited_for(queue: Queue) -> None:
    await queue.add(DELIVER, "a")
    await take_jobs(queue.one, (), {}, FREE, LONG)
    await queue.lose()
    async with queue.one.transaction():
        await queue.one.execute("UPDATE pgqueuer SET heartbeat = now()")
        await queue.other.execute("SET lock_timeout = '1s'")
        assert await take_jobs(queue.other, (), {}, FREE, LONG) == []
    assert await take_jobs(queue.other, (), {}, FREE, LONG) == []


async def test_a_job_ends_with_the_transaction_that_does_the_last_of_its_work(queue: Queue) -> None:
    await queue.add(DELIVER, "a", "b")
    first, second = await take_jobs(queue.one, (), {}, FREE, LONG)
    RUNNING_JOB.set(first)
    with suppress(LookupError):
        async with queue.store.transaction(EVERYTHING) as tx:
            await tx.jobs.end_running()
            await tx.connection.flush()
            raise LookupError
    assert await queue.statuses() == ["picked", "picked"]
    with noted_statements(queue.store) as statements:
        async with queue.store.transaction(EVERYTHING) as tx:
            await tx.jobs.enqueue(DELIVER, {"name": "c"}, "c")
            await tx.jobs.end_running()
            # Its own worker may report at this moment: neither waits for the other.
            await tx.connection.flush()
            await queue.one.execute("SET lock_timeout = '1s'")
            assert await take_jobs(queue.one, [first.id, second.id], {}, FREE, timedelta(0)) == []
    assert len(statements) == 1
    assert (first.has_ended, second.has_ended) == (True, False)
    assert await queue.statuses() == ["picked", "queued"]


async def test_a_worker_that_lost_its_lease_ends_no_job_that_waits_for_another(queue: Queue) -> None:
    await queue.add(DELIVER, "a")
    (late,) = await take_jobs(queue.one, (), {}, FREE, LONG)
    await queue.lose()
    assert await take_jobs(queue.other, (), {}, {}, LONG) == []
    RUNNING_JOB.set(late)
    async with queue.store.transaction(EVERYTHING) as tx:
        await tx.jobs.end_running()
    assert named(await take_jobs(queue.other, (), {}, FREE, LONG)) == [("a", 2)]


async def test_a_job_that_ends_well_is_not_parked_because_a_late_worker_failed(queue: Queue) -> None:
    await queue.add(DELIVER, "a")
    (late,) = await take_jobs(queue.one, (), {}, FREE, LONG)
    await queue.lose()
    await take_jobs(queue.other, (), {}, {}, LONG)
    (again,) = await take_jobs(queue.other, (), {}, FREE, LONG)
    assert await take_jobs(queue.one, (), {late.id: False}, FREE, LONG) == []
    RUNNING_JOB.set(again)
    async with queue.store.transaction(EVERYTHING) as tx:
        await tx.jobs.end_running()
    assert await queue.statuses() == []


async def test_a_lease_is_renewed_when_a_quarter_of_it_is_over(queue: Queue) -> None:
    await queue.add(DELIVER, "a")
    (job,) = await take_jobs(queue.one, (), {}, FREE, LONG)
    beats = []
    for ago in ("14 minutes", "16 minutes"):
        await queue.one.execute(f"UPDATE pgqueuer SET heartbeat = now() - interval '{ago}'")
        await take_jobs(queue.one, [job.id], {}, FREE, LONG)
        beats.append(await queue.one.fetchval("SELECT heartbeat > now() - interval '5 minutes' FROM pgqueuer"))
    assert beats == [False, True]


async def test_a_new_job_wakes_the_workers_and_a_report_does_not(queue: Queue) -> None:
    heard: list[object] = []
    await queue.other.add_listener(JOB_CHANNEL, lambda *parts: heard.append(parts[-1]))
    await queue.add(DELIVER, "a", "b")
    (first, _) = await take_jobs(queue.one, (), {}, FREE, LONG)
    await take_jobs(queue.one, (), {first.id: True}, FREE, LONG)
    await queue.one.execute(f"NOTIFY {JOB_CHANNEL}, 'the end'")

    async def all_were_heard() -> bool:
        return "the end" in heard

    await until(all_were_heard)
    assert len(heard) == 2


async def test_failed_jobs_are_taken_up_again_ever_later_unless_they_end_their_process(queue: Queue) -> None:
    await queue.add(DELIVER, "new", "failing", "rested", "deadly")
    jobs = {job.payload["name"]: job.id for job in await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG)}
    await take_jobs(queue.one, (), dict.fromkeys(jobs.values(), False), {}, LONG)
    tried = "UPDATE pgqueuer SET created = now() - $2::interval, updated = now() - $3::interval WHERE id = $1"
    second, nine_minutes = timedelta(seconds=1), timedelta(minutes=9)
    await queue.one.execute(tried, jobs["new"], 2 * second, second)
    for name, rest in (("failing", nine_minutes), ("rested", MAX_FAILED_REST), ("deadly", LONG)):
        await queue.one.execute(tried, jobs[name], LONG, rest)
    await queue.one.execute("UPDATE pgqueuer SET attempts = $2 WHERE id = $1", jobs["deadly"], MAX_STARTS + 1)
    async with queue.store.transaction(EVERYTHING) as tx:
        await tx.jobs.take_up_again()
    assert named(await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG)) == [("new", 2), ("rested", 2)]
    assert sorted(await queue.statuses()) == ["failed", "failed", "picked", "picked"]
    await queue.one.execute(tried, jobs["deadly"], 2 * DEADLY_REST, DEADLY_REST)
    async with queue.store.transaction(EVERYTHING) as tx:
        await tx.jobs.take_up_again()
    taken = named(await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG))
    assert ("deadly", MAX_STARTS) in taken


async def test_failed_jobs_for_the_same_work_are_one_and_wait_while_another_does_it(queue: Queue) -> None:
    for _ in range(3):
        await queue.add(DELIVER, "a")
        (job,) = await take_jobs(queue.one, (), {}, {DELIVER: 1}, LONG)
        await take_jobs(queue.one, (), {job.id: False}, {}, LONG)
    await queue.one.execute("UPDATE pgqueuer SET updated = updated - interval '1 hour'")
    await queue.add(DELIVER, "a")
    for _ in range(2):
        async with queue.store.transaction(EVERYTHING) as tx:
            await tx.jobs.take_up_again()
        assert sorted(await queue.statuses()) == ["failed", "queued"]
    (other,) = await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG)
    await take_jobs(queue.one, (), {other.id: True}, {}, LONG)
    async with queue.store.transaction(EVERYTHING) as tx:
        await tx.jobs.take_up_again()
    assert named(await take_jobs(queue.one, (), {}, {DELIVER: 9}, LONG)) == [("a", 2)]


async def test_a_job_that_failed_twice_is_not_parked_because_its_process_is_killed_once(queue: Queue) -> None:
    await queue.add(REPLAN, "a")
    for _ in range(MAX_STARTS - 1):
        (job,) = await take_jobs(queue.one, (), {}, {REPLAN: 1}, LONG)
        await take_jobs(queue.one, (), {job.id: False}, {}, LONG)
        await queue.one.execute("UPDATE pgqueuer SET updated = updated - interval '1 hour'")
        async with queue.store.transaction(EVERYTHING) as tx:
            await tx.jobs.take_up_again()
    await take_jobs(queue.one, (), {}, {REPLAN: 1}, LONG)
    await queue.lose()
    (again,) = await take_jobs(queue.other, (), {}, {REPLAN: 1}, LONG)
    assert again.start <= MAX_STARTS


async def test_only_a_report_of_the_queue_does_not_wait_for_the_disk(queue: Queue) -> None:
    asked = "SHOW synchronous_commit"
    async with listening(queue.store, JOB_CHANNEL, asyncio.Event()) as listener:
        assert await listener.fetchval(asked) == "off"
    async with queue.store.transaction(EVERYTHING) as tx:
        assert (await tx.connection.fetch(asked)).one()[0] == "on"
