"""What one worker has done or is doing, no other one does again; and what became due in a wrong time is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from channels import CallbackContent, Fate, Receipt, ReceiptReport
from hub.model.staff.alert import SHOWN_FOR
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.inbound.callback_writer import StoredCallback
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
MINUTE = timedelta(minutes=1)


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with quiet_hub(StandingClock()) as running:
        yield running


async def test_a_callback_that_is_processed_does_not_become_due_again(running: Running) -> None:
    database, now = running.hub.database, running.clock()
    heard = CallbackContent(reports=(ReceiptReport(Receipt(Fate.DELIVERED, "SM1"), "key"),))
    done, free = [StoredCallback.encrypted(database.cipher, "sms", heard, now) for _ in range(2)]
    await database.callback_writer.store([done, free])
    async with database.transaction(EVERYTHING) as one, database.transaction(EVERYTHING) as other:
        assert [each.id for each in await one.callbacks.lock_unprocessed([done.id])] == [done.id]
        assert [each.id for each in await other.callbacks.lock_unprocessed([done.id, free.id])] == [free.id]
        (callback,) = await one.callbacks.lock_unprocessed([done.id])
        await one.callbacks.mark_kept(callback, now)
    async with database.transaction(EVERYTHING) as tx:
        await tx.callbacks.lease([done.id], now)
        await tx.callbacks.retry_at(done.id, now)
        assert await tx.callbacks.list_due(now + MINUTE) == [free.id]
        assert await tx.callbacks.lock_unprocessed([done.id]) == []


async def test_a_contract_that_somebody_works_on_holds_up_no_other(running: Running) -> None:
    database, now = running.hub.database, running.clock()
    held, free = [await running.issue_minor() for _ in range(2)]
    async with database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(text(f"UPDATE contract SET hub_due_at = '{now.isoformat()}'"))
    async with database.transaction(EVERYTHING) as working, database.transaction(EVERYTHING) as claiming:
        await working.contracts.lock_contract(held.id)
        async with asyncio.timeout(30):
            assert await claiming.contracts.claim_hub_steps(now) == [free.id]


async def test_a_round_that_was_planned_before_the_clock_was_set_back_is_done(running: Running) -> None:
    planned = text("UPDATE duty SET due_at = clock_timestamp() + interval '1 hour' + CAST(:more AS interval)")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.task_times.take("test", 60 * MINUTE)
        assert not await tx.task_times.take("test", 60 * MINUTE)
        for more, is_taken in ((timedelta(seconds=30), False), (2 * MINUTE, True)):
            await tx.connection.execute(planned, {"more": more})
            assert await tx.task_times.take("test", 60 * MINUTE) is is_taken


async def test_alerts_are_shown_for_a_fortnight_to_those_whom_they_concern(running: Running) -> None:
    now = running.clock()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for kind, campus, age in (
            ("digest", "hefei", timedelta(0)),
            ("disk-low", None, timedelta(0)),
            ("step-failed", "beijing", timedelta(0)),
            ("shared-phone", "hefei", SHOWN_FOR - MINUTE),
            ("stop-flood", "hefei", SHOWN_FOR),
        ):
            await tx.alerts.add(kind, {}, now - age, campus)
        of_hefei = await tx.alerts.list_recent(Scope(frozenset({"hefei"})), now)
        assert {each.kind for each in of_hefei} == {"digest", "shared-phone"}
        everywhere = await tx.alerts.list_recent(EVERYTHING, now)
        assert {each.kind for each in everywhere} == {"digest", "shared-phone", "disk-low", "step-failed"}
