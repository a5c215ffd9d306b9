"""Mark a restored database before anybody uses it: sending is paused, and providers may already have messages."""

from __future__ import annotations

from datetime import datetime

from hub.errors import DatabaseUnavailable
from hub.store.operation.jobs import DELIVER, DELIVER_CODE
from hub.store.server.connections import DATABASE_OWNER, open_connection

# Providers may have been called for open messages after the backup was made. Count a start of every job that sends,
# because only the first start sends without asking the provider first. The former hub may have carried out steps that
# were due until now.
_MARK = """
SET LOCAL search_path = public;
INSERT INTO sending_pause (one, since, restored_from) VALUES (true, '{now}', '{made_at}')
  ON CONFLICT (one) DO UPDATE SET since = excluded.since, restored_from = excluded.restored_from;
INSERT INTO restored_delivery SELECT id FROM delivery WHERE state IN ('sending', 'unknown') ON CONFLICT DO NOTHING;
INSERT INTO restored_until (one, moment) VALUES (true, '{now}')
  ON CONFLICT (one) DO UPDATE SET moment = excluded.moment;
UPDATE pgqueuer SET attempts = greatest(attempts, 1) WHERE entrypoint IN ('{deliver}', '{deliver_code}');
DELETE FROM worker_heartbeat;
"""
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"


async def check_empty(owner_dsn: str) -> int:
    """Return the server's major version. Raises DatabaseUnavailable if the database has any table."""
    async with open_connection(owner_dsn, DATABASE_OWNER) as connection:
        if await connection.fetchval(_TABLES):
            raise DatabaseUnavailable(
                "the database is not empty: restore into a new one (`qianda database create-roles` makes it)"
            )
        return int(connection.get_server_version().major)


def restore_marks(now: datetime, made_at: datetime) -> str:
    """Return the statements that pause sending, and mark the messages whose outcome is open.

    They belong in the transaction that loads the database: a worker of the former hub may still run, and reach it.
    """
    moments = {"now": now.isoformat(), "made_at": made_at.isoformat()}
    return _MARK.format(**moments, deliver=DELIVER, deliver_code=DELIVER_CODE)
