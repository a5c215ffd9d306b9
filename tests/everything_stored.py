"""A fingerprint of the whole database: what changed between two moments, table by table."""

from __future__ import annotations

from collections.abc import Iterable

from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.kernel.connection import Connection
from hub.store.transaction import Database

# Tables that change while nobody does anything.
ALIVE = (
    "worker_heartbeat",
    "duty",
    "row_count",
    "pgqueuer",
    "pgqueuer_log",
    "pgqueuer_statistics",
    "pgqueuer_schedules",
)
_TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
    "AND has_table_privilege(oid, 'SELECT') ORDER BY 1"
)
_DIGEST = """
SELECT '{0}' AS name, count(*) || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"), '')) AS digest
FROM "{0}" t"""


async def fingerprint(database: Database) -> dict[str, str]:
    """Return each table that the hub can read, with a digest of all its rows."""
    async with database.transaction(EVERYTHING) as tx:
        names = [name for (name,) in await tx.connection.fetch(_TABLES) if name not in ALIVE]
        return await _digests(tx.connection, map(_DIGEST.format, names))


async def fingerprint_of_campus(database: Database, campus: str, tables: Iterable[str]) -> dict[str, str]:
    """Return these tables, whose rows belong to campuses, each with a digest of the rows of this campus."""
    # The school's own record is under the campus of its first entry, and acts of all campuses follow it.
    only = {"record_head": " WHERE contract IN (SELECT id FROM contract)"}
    async with database.transaction(Scope(frozenset({campus}))) as tx:
        return await _digests(tx.connection, (_DIGEST.format(name) + only.get(name, "") for name in tables))


async def _digests(connection: Connection, queries: Iterable[str]) -> dict[str, str]:
    """Run the queries as one statement, which is prepared once. One by one, they would take most of a test's time."""
    return {row.name: row.digest for row in await connection.fetch(" UNION ALL ".join(queries))}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the names of the tables that changed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
