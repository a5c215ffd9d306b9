"""Two versions at the same time: the database's schema is newer than this hub, and declares that this hub runs on
it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.server.migrate import SCRIPTS, Step, check_current, compatible_from, is_current, migrate
from hub.worker.worker import Worker
from tests.database import LOCK_WAITS
from tests.running import MovableClock, Running, running_hub, until

NEXT = """
from alembic import op

revision = "9001"
down_revision = "{before}"
expands_only = {expands_only}


def upgrade() -> None:
    op.execute("ALTER TABLE contract ADD COLUMN colour text")
    op.execute("CREATE TABLE later (one text PRIMARY KEY)")
"""
NOON = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """Run this hub on a database of its own; it is noon where its signers live."""
    async with running_hub(with_worker=False, with_web=False, clock=MovableClock(NOON - datetime.now(UTC))) as running:
        yield running


def newer(folder: Path, *, expands_only: bool) -> Path:
    """Write the migrations of the next version: ours and one more. Return their folder."""
    scripts = folder / "migrations"
    shutil.copytree(SCRIPTS, scripts)
    before = max(path.name[:4] for path in (scripts / "versions").glob("[0-9]*.py"))
    (scripts / "versions" / "9001_next.py").write_text(NEXT.format(before=before, expands_only=expands_only))
    return scripts


def owner_of(running: Running) -> str:
    return running.hub.database.dsn.replace("//app@", "//owner@")


async def test_a_hub_works_on_a_newer_schema_that_only_expanded(running: Running, tmp_path: Path) -> None:
    before = await running.issue_minor()
    await migrate(owner_of(running), newer(tmp_path, expands_only=True))
    assert await is_current(running.hub.database.dsn)
    after = await running.issue_minor()
    while await running.worker.due_steps.sweep():
        pass
    for contract in (before, after):
        async with running.hub.database.transaction(EVERYTHING) as tx:
            sent = await tx.deliveries.list_of_contract(contract.id)
        assert [(each.purpose, each.state.value) for each in sent] == [("invitation", "delivered")]


async def test_a_hub_refuses_a_newer_schema_that_took_something_away(running: Running, tmp_path: Path) -> None:
    assert await is_current(running.hub.database.dsn)
    await migrate(owner_of(running), newer(tmp_path, expands_only=False))
    assert not await is_current(running.hub.database.dsn)
    with pytest.raises(DatabaseUnavailable, match="newer than this version can use: run the version that migrated it"):
        await check_current(running.hub.database.dsn)


async def test_a_migration_lets_others_pass_while_a_backup_reads_its_table(running: Running, tmp_path: Path) -> None:
    dsn, scripts = owner_of(running), newer(tmp_path, expands_only=True)
    backup, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with backup.transaction():
        await backup.execute("LOCK TABLE contract IN ACCESS SHARE MODE")  # as pg_dump does
        migrating = asyncio.create_task(migrate(dsn, scripts, tries=1))
        await until(lambda: other.fetchval(LOCK_WAITS))
        assert await other.fetchval("SELECT count(*) FROM contract", timeout=20) == 0
        with pytest.raises(DatabaseUnavailable, match="perhaps by a backup"):
            await migrating
        assert await is_current(running.hub.database.dsn)  # nothing has changed
    await migrate(dsn, scripts)
    assert await other.fetchval("SELECT version_num FROM alembic_version") == "9001"
    await backup.close()
    await other.close()


async def test_a_hub_refuses_a_schema_that_took_something_away_before_a_later_migration_failed(
    running: Running, tmp_path: Path
) -> None:
    dsn, scripts = owner_of(running), newer(tmp_path, expands_only=False)
    later = '\nrevision = "9002"\ndown_revision = "9001"\n\n\ndef upgrade() -> None:\n    raise ValueError("half")\n'
    (scripts / "versions" / "9002_later.py").write_text(later)
    with pytest.raises(ValueError, match="half"):
        await migrate(dsn, scripts)
    owner = await asyncpg.connect(dsn)
    assert await owner.fetchval("SELECT version_num FROM alembic_version") == "9001"
    await owner.close()
    assert not await is_current(running.hub.database.dsn)


async def test_a_hub_refuses_an_older_schema(running: Running) -> None:
    owner = await asyncpg.connect(owner_of(running))
    await owner.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(DatabaseUnavailable, match="run `qianda migrate` first"):
        await check_current(running.hub.database.dsn)
    await owner.execute("DELETE FROM alembic_version")
    await owner.close()
    with pytest.raises(DatabaseUnavailable, match="run `qianda migrate` first"):
        await check_current(running.hub.database.dsn)


async def test_jobs_and_steps_of_a_newer_version_are_left_for_it(running: Running) -> None:
    known, unknown = [await running.issue_minor() for _ in range(2)]
    connection = await asyncpg.connect(owner_of(running))
    await connection.execute("UPDATE signing_task SET next_step = 'carrier-pigeon' WHERE contract = $1", unknown.id)
    await connection.execute(
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status, dedupe_key)"
        " VALUES (0, 'of-a-newer-version', NULL, 'queued', 'newer')"
    )
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.jobs.enqueue("replan", {"campus": "hefei", "after": str(known.id)}, "known")
    stop = asyncio.Event()
    working = asyncio.create_task(Worker(running.hub).run(stop))

    async def known_ones_are_done() -> bool:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            sent = await tx.deliveries.list_of_contract(known.id)
        waiting = await connection.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'replan'")
        return bool(sent) and not waiting

    await until(known_ones_are_done)
    stop.set()
    await working
    assert await connection.fetchval("SELECT status FROM pgqueuer WHERE entrypoint = 'of-a-newer-version'") == "queued"
    left = await connection.fetch("SELECT next_step, leased_until FROM signing_task WHERE contract = $1", unknown.id)
    assert [tuple(row) for row in left] == [("carrier-pigeon", None)]
    await connection.close()


@pytest.mark.parametrize(
    ("expanding", "oldest"),
    [([], "0001"), ([False, False], "0003"), ([False, True], "0002"), ([True, True], "0001"), ([True, False], "0003")],
)
def test_how_far_back_a_schema_is_compatible(expanding: list[bool], oldest: str) -> None:
    later = [Step(f"{number:04}", only) for number, only in enumerate(expanding, 2)]
    assert compatible_from([Step("0001", False), *later]) == oldest
