"""Bring a database to the current schema, as the role `owner`.

Alembic and SQLAlchemy's engine are slow to load and rarely needed, so they are imported where they are used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from hub.errors import DatabaseUnavailable
from hub.store.server import grants
from hub.store.transaction import AWAY

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

_VERSION = "SELECT version_num FROM alembic_version"
_COMPATIBLE = "SELECT compatible_from FROM schema_compatibility"
_DECLARE = """
INSERT INTO schema_compatibility (one, compatible_from) VALUES (true, $1)
ON CONFLICT (one) DO UPDATE SET compatible_from = excluded.compatible_from
"""
# While a migration waits for the lock on a table, everybody who comes after it waits too. So it waits only briefly,
# lets the others pass, and tries again. It gives up after a minute or two, because a backup may read the table for an
# hour.
LOCK_TIMEOUT, LOCK_PAUSE, LOCK_TRIES = "2s", 5.0, 12
IN_USE = "a table that has to change is in use for long, perhaps by a backup: run it again once that has ended"
OLDER = "the database's schema is not current: run `qianda migrate` first"
NEWER = (
    "the database's schema is newer than this version can use: run the version that migrated it, "
    "or restore a backup of before the upgrade"
)
SCRIPTS = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection | None = None, scripts: Path = SCRIPTS) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(scripts))
    config.attributes["connection"] = connection
    return config


async def migrate(dsn: str, scripts: Path = SCRIPTS, tries: int = LOCK_TRIES) -> None:
    """Bring the database to the current schema. `dsn`: that of the role `owner`. `tries`: how often to try to lock a
    table in use.

    A second run changes nothing, and concurrent runs wait for each other. Raises DatabaseUnavailable for a schema that
    this version does not know, and where a table stays in use; the migrations before that one are done then.
    """
    guard = await asyncpg.connect(dsn)
    try:
        await guard.execute("SELECT pg_advisory_lock(hashtext('qianda-migrate'))")
        await _check_known(guard, scripts)
        try:
            await _upgrade(dsn, scripts, tries)
        finally:
            await _declare(guard, scripts)
        await guard.execute(grants.statements())
    finally:
        await guard.close()


async def _check_known(connection: asyncpg.Connection, scripts: Path) -> None:
    """Raise DatabaseUnavailable if the database has a migration that this version does not have."""
    if not await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL"):
        return
    theirs = await connection.fetchval(_VERSION)
    if theirs and theirs not in {step.revision for step in await asyncio.to_thread(_chain, scripts)}:
        raise DatabaseUnavailable(
            f"this version does not know the database's schema {theirs}: run the version that made it, "
            "or restore a backup of before the upgrade"
        )


async def _declare(connection: asyncpg.Connection, scripts: Path) -> None:
    """Store which hubs can use the schema as it is now, also where a later migration failed."""
    if await connection.fetchval("SELECT to_regclass('schema_compatibility') IS NOT NULL"):
        now = await schema_of(connection)
        done = [step for step in await asyncio.to_thread(_chain, scripts) if step.revision <= now]
        await connection.execute(_DECLARE, compatible_from(done))


async def _upgrade(dsn: str, scripts: Path, tries: int = LOCK_TRIES) -> None:
    from alembic import command
    from sqlalchemy.ext.asyncio import create_async_engine

    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(dsn, server_settings={"lock_timeout": LOCK_TIMEOUT})

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    for left in reversed(range(tries)):
        try:
            async with engine.connect() as connection:
                await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync, scripts), "head"))
                await connection.commit()
            break
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != asyncpg.LockNotAvailableError.sqlstate:
                raise
            if not left:
                raise DatabaseUnavailable(IN_USE) from error
            await asyncio.sleep(LOCK_PAUSE)
    await engine.dispose()


async def is_current(dsn: str) -> bool:
    """Return whether this hub can use the database's schema: its own, or a newer one that declares itself compatible.

    Raises DatabaseUnavailable if the server cannot be reached.
    """
    return not await _find_fault(dsn)


async def check_current(dsn: str) -> None:
    """Raise DatabaseUnavailable, with what to do, unless this hub can use the database's schema."""
    if fault := await _find_fault(dsn):
        raise DatabaseUnavailable(fault)


async def _find_fault(dsn: str) -> str:
    """Return what is wrong with the database's schema for this hub, or an empty text."""
    ours = (await asyncio.to_thread(_chain, SCRIPTS))[-1].revision
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            theirs = await connection.fetchval(_VERSION) or ""
            if theirs > ours:
                return "" if ours >= str(await connection.fetchval(_COMPATIBLE)) else NEWER
            return "" if theirs == ours else OLDER
        finally:
            await connection.close(timeout=10)
    except asyncpg.UndefinedTableError:
        return OLDER
    except (OSError, asyncpg.InterfaceError, *AWAY) as error:
        raise DatabaseUnavailable(type(error).__name__) from error


async def schema_of(connection: asyncpg.Connection) -> str:
    """Return the newest migration of this database."""
    return str(await connection.fetchval(_VERSION))


def knows_schema(revision: str) -> bool:
    """Return whether this version has that migration, so that it can bring such a database to its own schema."""
    return revision in {step.revision for step in _chain(SCRIPTS)}


@dataclass(frozen=True)
class Step:
    """A migration. `revision`: a number of four digits, so that revisions sort in order.

    `expands_only`: it removes nothing and demands nothing that hubs of the previous schema do not do, so that these
    hubs can use the new schema.
    """

    revision: str
    expands_only: bool


def compatible_from(chain: Sequence[Step]) -> str:
    """Return the oldest schema whose hubs can use the newest one of this chain: all migrations after it only expand."""
    oldest = len(chain) - 1
    while oldest > 0 and chain[oldest].expands_only:
        oldest -= 1
    return chain[oldest].revision


@cache  # the program's own files
def _chain(scripts: Path) -> Sequence[Step]:
    """Return all migrations, oldest first."""
    from alembic.script import ScriptDirectory

    newest_first = ScriptDirectory.from_config(alembic_config(scripts=scripts)).walk_revisions()
    steps = [Step(each.revision, getattr(each.module, "expands_only", False)) for each in newest_first]
    return steps[::-1]
