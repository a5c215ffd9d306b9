"""Compare two databases: the number of rows of each table, and the heads of all records."""

from __future__ import annotations

import hashlib

from hub.store.server.connections import DATABASE_OWNER, open_connection

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename COLLATE \"C\""
_HEADS = "SELECT contract, entries, digest FROM record_head ORDER BY contract"
HEADS_AT_ONCE = 1000
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def count_connections(owner_dsn: str) -> int:
    """Return how many other connections to this database there are."""
    async with open_connection(owner_dsn, DATABASE_OWNER) as connection:
        return int(await connection.fetchval(_OTHERS))


async def summarise_database(owner_dsn: str) -> dict[str, str]:
    """Return the number of rows of each table, and under `records` the SHA-256 over the heads of all records, in one
    consistent view."""
    async with (
        open_connection(owner_dsn, DATABASE_OWNER) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        names = [row["tablename"] for row in await connection.fetch(_TABLES)]
        found = {name: str(await connection.fetchval(f'SELECT count(*) FROM "{name}"')) for name in names}  # noqa: S608
        if "record_head" in names:
            roots = hashlib.sha256()
            async for head in connection.cursor(_HEADS, prefetch=HEADS_AT_ONCE):
                roots.update(head["contract"].bytes + head["entries"].to_bytes(8) + head["digest"])
            found["records"] = roots.hexdigest()
        return found
