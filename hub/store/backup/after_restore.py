"""Mark a restored database before anybody uses it: sending is paused, and providers may already have messages."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from hub.errors import DatabaseUnavailable
from hub.store.operation.jobs import DELIVER, DELIVER_CODE
from hub.store.server.connections import DATABASE_OWNER, open_connection

_PAUSE = """
INSERT INTO sending_pause (one, since, restored_from) VALUES (true, $1, $2)
ON CONFLICT (one) DO UPDATE SET since = excluded.since, restored_from = excluded.restored_from
"""
# All messages that were open: their providers may have been called after the backup was made.
_MARK = """
INSERT INTO restored_delivery SELECT id FROM delivery WHERE state IN ('sending', 'unknown') ON CONFLICT DO NOTHING
"""
# Only the first start of such a job sends without asking the provider first.
_STARTED = """
UPDATE pgqueuer SET attempts = greatest(attempts, 1) WHERE entrypoint = ANY($1::text[])
"""
# The former hub may have carried out steps that were due until this time.
_UNTIL = """
INSERT INTO restored_until (one, moment) VALUES (true, $1) ON CONFLICT (one) DO UPDATE SET moment = excluded.moment
"""
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


async def check_empty(owner_dsn: str) -> int:
    """Return the server's major version. Raises DatabaseUnavailable if the database has any table."""
    async with open_connection(owner_dsn, DATABASE_OWNER) as connection:
        if await connection.fetchval(_TABLES):
            raise DatabaseUnavailable(
                "the database is not empty: a backup is restored into a new one (docs/operating.md has the statements)"
            )
        return int(connection.get_server_version().major)


async def mark_restored(owner_dsn: str, now: datetime, made_at: datetime) -> None:
    """Pause sending, and mark the messages whose outcome is open. Runs as the role `owner`, before a worker starts."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        async with connection.transaction():
            await connection.execute(_PAUSE, now, made_at)
            await connection.execute(_MARK)
            await connection.execute(_UNTIL, now)
            await connection.execute(_STARTED, [DELIVER, DELIVER_CODE])
            await connection.execute("DELETE FROM worker_heartbeat")
    finally:
        await connection.close()
