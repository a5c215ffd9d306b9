"""Callbacks of providers that arrive together are stored together, and each caller learns whether its own was
stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest

from channels import CallbackContent, Fate, Receipt, ReceiptReport
from hub.errors import DatabaseUnavailable
from hub.store.encryption.keys import Keys
from hub.store.inbound.callback_writer import CALLS_CAME
from hub.store.kernel.batcher import MAX_BATCH
from hub.store.transaction import Database
from hub.web.inbound.callback_batcher import CallbackBatcher
from tests.database import Dsns, fresh_database


@pytest.fixture
async def dsns() -> AsyncIterator[Dsns]:
    async with fresh_database() as made:
        yield made


def database_at(dsn: str) -> Database:
    return Database(dsn, Keys.derived_from(bytes(32)), lambda: datetime.now(UTC))


def delivered(number: int) -> CallbackContent:
    return CallbackContent(reports=(ReceiptReport(Receipt(Fate.DELIVERED, f"SM{number}")),))


async def test_what_arrives_together_is_stored_together(dsns: Dsns) -> None:
    number = MAX_BATCH * 2 + 1
    database = database_at(dsns.app)
    batcher = CallbackBatcher(database)
    owner = await asyncpg.connect(dsns.superuser)
    told: list[object] = []
    await owner.add_listener(CALLS_CAME, lambda *heard: told.append(heard))
    try:
        await asyncio.gather(*(batcher.store("sms_twilio", delivered(each)) for each in range(number)))
        await batcher.store("sms_twilio", delivered(number))  # the writer was idle, and begins again
    finally:
        await database.close()
    try:
        stored = await owner.fetch("SELECT xmin FROM callback")
    finally:
        await owner.close()
    assert len(stored) == number + 1
    assert len(told) == len({row["xmin"] for row in stored}) == 4  # transactions, and how often workers were notified


async def test_a_connection_that_died_meanwhile_is_made_anew(dsns: Dsns) -> None:
    database = database_at(dsns.app)
    owner = await asyncpg.connect(dsns.superuser)
    try:
        await CallbackBatcher(database).store("sms_twilio", delivered(1))
        ours = "usename = 'app' AND datname = current_database()"  # other tests use the same server at this moment
        await owner.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
        await CallbackBatcher(database).store("sms_twilio", delivered(2))
        assert await owner.fetchval("SELECT count(*) FROM callback") == 2
    finally:
        await owner.close()
        await database.close()


async def test_no_caller_is_told_that_what_was_not_stored_was(dsns: Dsns) -> None:
    database = database_at(dsns.app.replace("?host=", "?host=/nowhere"))
    batcher = CallbackBatcher(database)
    try:
        ends = await asyncio.gather(
            *(batcher.store("sms_twilio", delivered(each)) for each in range(3)), return_exceptions=True
        )
    finally:
        await database.close()
    assert [type(each) for each in ends] == [DatabaseUnavailable] * 3
