"""Bring a database to the current schema, as the role `owner`.

Our own tables come by Alembic; the queue's by PgQueuer, whose statements do not run inside an Alembic transaction.
Alembic takes its time to load, and most processes never need it: it is imported where it is used.
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hub.errors import DatabaseUnavailable
from hub.store.unit import AWAY

if TYPE_CHECKING:
    from alembic.config import Config

_GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO app;
REVOKE UPDATE, DELETE, TRUNCATE ON record_entry FROM app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM app;
REVOKE INSERT, DELETE, TRUNCATE ON installation FROM app;
"""

_VERSION = "SELECT version_num FROM alembic_version"


def alembic_config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


async def migrate(dsn: str) -> None:
    """`dsn` is that of the role `owner`. Running it again changes nothing; two at once wait for each other."""
    from pgqueuer.queries import Queries

    guard = await asyncpg.connect(dsn)
    try:
        await guard.execute("SELECT pg_advisory_lock(hashtext('qianda-migrate'))")
        await _upgrade(dsn)
        if not await guard.fetchval("SELECT to_regclass('pgqueuer') IS NOT NULL"):
            await Queries.from_asyncpg_connection(guard).install()
        await guard.execute(_GRANTS)
    finally:
        await guard.close()


async def _upgrade(dsn: str) -> None:
    from alembic import command

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
        await connection.commit()
    await engine.dispose()


async def is_current(dsn: str) -> bool:
    """Whether the database has exactly the newest migration. Raises DatabaseUnavailable when it is away."""
    head = await asyncio.to_thread(_newest)
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return bool(await connection.fetchval(_VERSION) == head)
        finally:
            await connection.close(timeout=10)
    except asyncpg.UndefinedTableError:
        return False
    except (OSError, asyncpg.InterfaceError, *AWAY) as error:
        raise DatabaseUnavailable(type(error).__name__) from error


@cache  # the program's own files
def _newest() -> str | None:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def migrate_now(dsn: str) -> None:
    """`migrate` for programs without a running loop."""
    asyncio.run(migrate(dsn))
