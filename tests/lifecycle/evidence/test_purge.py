"""What no contract needs is deleted in time, once an hour over all workers, and nothing else is deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from channels import CallbackContent, Fate, Inbound, Receipt, ReceiptReport
from hub.lifecycle.evidence.delete_files import AT_ONCE
from hub.lifecycle.evidence.retention import purge
from hub.model.messaging.sms_commands import SmsCommand
from hub.model.staff.scope import EVERYTHING
from hub.store.inbound.callback_writer import StoredCallback
from hub.worker.worker import Worker
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import Running, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)
# PgQueuer's tables about past jobs, with the number column that each requires.
JOBS = {"pgqueuer_log": "job_id", "pgqueuer_statistics": "count"}


async def purged(running: Running) -> dict[str, int]:
    """Do the hourly round. Return the kinds of which something was deleted."""
    return {kind: number for kind, number in (await purge(running.hub.services)).items() if number}


async def told(running: Running, number: int, *, worked_on: bool = True) -> None:
    database = running.hub.database
    heard = CallbackContent(reports=(ReceiptReport(Receipt(Fate.DELIVERED, "SM1"), "key"),))
    calls = [StoredCallback.encrypted(database.cipher, "sms", heard, database.clock()) for _ in range(number)]
    await database.callback_writer.store(calls)
    if worked_on:
        async with database.transaction(EVERYTHING) as tx:
            await tx.callbacks.mark_done([each.id for each in calls], tx.now, "noted")


async def written(running: Running, reference: str) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.inbound.add("sms", Inbound(reference, "+12025550101", "hello"), SmsCommand.OTHER, tx.now)
        await tx.budgets.consume("number", reference, tx.now, 5)


async def left(running: Running) -> tuple[int, int, int]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        count = "(SELECT count(*) FROM callback), (SELECT count(*) FROM inbound_message), (SELECT count(*) FROM budget"
        row = (await tx.connection.execute(text(f"SELECT {count} WHERE kind = 'number')"))).one()
        return row[0], row[1], row[2]


async def test_each_kind_goes_when_its_time_is_over() -> None:
    clock, many = StandingClock(), AT_ONCE.rows + 10
    async with quiet_hub(clock) as running:
        await told(running, many)
        await told(running, 1, worked_on=False)
        await written(running, "old")
        clock.advance(29 * DAY)
        await told(running, 1)
        await written(running, "new")
        assert await purged(running) == {"periods": 1}
        clock.advance(2 * DAY)
        assert await purged(running) == {"calls": many}
        assert await left(running) == (2, 2, 1)  # one that was never processed, and one that is young
        clock.advance(150 * DAY)
        assert await purged(running) == {"calls": 1, "inbound": 1, "periods": 1}
        assert await left(running) == (1, 1, 0)


async def test_how_jobs_went_goes_after_a_week() -> None:
    each_day = 80
    async with quiet_hub() as running:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for table, number in JOBS.items():
                await tx.connection.execute(
                    text(
                        f"INSERT INTO {table} (created, status, priority, entrypoint, {number})"
                        " SELECT now() - day * interval '1 day', 'successful', priority, 'deliver', 1"
                        f" FROM generate_series(0, 20) AS day, generate_series(1, {each_day}) AS priority"
                    )
                )
        old = 14 * each_day
        assert await purged(running) == {"job-log": old, "job-statistics": old} and old > AT_ONCE.rows
        async with running.hub.database.transaction(EVERYTHING) as tx:
            for table in JOBS:
                kept = text(f"SELECT count(*), min(created) > now() - interval '7 days' FROM {table}")
                assert tuple((await tx.connection.execute(kept)).one()) == (7 * each_day, True)


async def test_one_worker_does_it_for_all() -> None:
    async with quiet_hub() as running:
        await told(running, 1)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("UPDATE callback SET received_at = received_at - interval '40 days'"))
        stop, workers = asyncio.Event(), [Worker(running.hub) for _ in range(2)]
        at_work = [asyncio.create_task(each.run(stop)) for each in workers]

        async def gone() -> bool:
            return (await left(running))[0] == 0

        await until(gone)
        stop.set()
        await asyncio.gather(*at_work)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert not await tx.task_times.take(
                "purge", timedelta(hours=1)
            )  # no other worker may do it within the hour
