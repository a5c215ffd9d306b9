"""Anybody can open a poster: so that costs little, however often it was opened before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.school.posters import student_hash
from hub.model.evidence.person_data import KnownPerson
from hub.model.school.poster import Poster, PosterScan, ScanStep
from hub.model.staff.scope import EVERYTHING
from hub.store.kernel.connection import Connection, Rows
from hub.store.kernel.statement import SqlStatement
from hub.store.school.posters import MAX_SCANS_AN_HOUR
from tests.database import tamper
from tests.lifecycle.clockwork import quiet_hub
from tests.lifecycle.evidence.test_person import owner_of
from tests.poster_visits import counts, make_poster
from tests.running import MINOR_ID, Running

pytestmark = pytest.mark.asyncio(loop_scope="module")
HASH = bytes(32)
OPENED = """
INSERT INTO poster_scan (poster, campus, visitor, step, at)
SELECT $1, 'hefei', gen_random_uuid(), 'opened', now() FROM generate_series(1, 20000)
"""


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with quiet_hub() as hub:
        yield hub


async def scanned(running: Running, poster: Poster, step: ScanStep, **more: Any) -> bool:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.posters.add_scan(PosterScan(poster, step, uuid4(), **more), tx.now)


async def test_who_only_opens_is_not_added_without_end(running: Running) -> None:
    (poster, _), (other, _) = await make_poster(running), await make_poster(running)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        before = "INSERT INTO poster_scan (poster, campus, step, at) SELECT $1, $2, $3, $4 FROM generate_series(1, $5)"
        step, number = ScanStep.OPENED.value, MAX_SCANS_AN_HOUR - 1
        await tx.connection.fetch(before, poster.id, poster.campus, step, tx.now, number)
    assert [await scanned(running, poster, ScanStep.OPENED) for _ in range(3)] == [True, False, False]
    assert await scanned(running, other, ScanStep.OPENED)
    assert await scanned(running, poster, ScanStep.VERIFIED)
    assert await scanned(running, poster, ScanStep.ENROLLED, student_hash=HASH)
    running.clock.advance(timedelta(hours=1))
    assert await scanned(running, poster, ScanStep.OPENED)
    assert await counts(running, poster) == [MAX_SCANS_AN_HOUR + 1, 1, 1]


async def test_the_page_of_a_poster_reads_the_enrolled_alone(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    poster, _ = await make_poster(running)
    await scanned(running, poster, ScanStep.ENROLLED, student_hash=HASH)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.fetch(OPENED, poster.id)
    await tamper(running.hub.database.dsn, "ANALYZE poster_scan")
    asked: list[SqlStatement] = []
    execute = Connection.execute

    async def noted(self: Connection, statement: Any, values: Any = ()) -> Rows:
        asked.append(SqlStatement(statement, is_once=True))
        return await execute(self, asked[-1], dict(values))

    monkeypatch.setattr(Connection, "execute", noted)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        asked.clear()
        assert await tx.posters.count_enrolled(poster.id) == 1
        assert not await tx.posters.has_enrolled(poster.id, uuid4())
        assert not await tx.posters.has_drawn(poster.id, uuid4())
        for made in list(asked):
            plan = "\n".join(row[0] for row in await tx.connection.fetch(f"EXPLAIN {made.sql}", *made.arguments({})))
            assert "uq_poster_scan_student" in plan, plan
    assert len(asked) == 3


async def test_an_erased_student_still_counts_as_enrolled(running: Running) -> None:
    poster, _ = await make_poster(running)
    erased = KnownPerson("cn-id", MINOR_ID)
    hashed = student_hash(running.hub.database.cipher, MINOR_ID)
    await scanned(running, poster, ScanStep.ENROLLED, student_hash=hashed)
    async with owner_of(running) as owner, owner.transaction(EVERYTHING) as tx:
        await tx.person_erasure.erase_keys(erased, [], tx.now)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.posters.count_enrolled(poster.id) == 1
        assert not await tx.posters.has_student(poster.id, hashed)
