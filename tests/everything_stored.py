"""A fingerprint of the whole database: what changed between two moments, table by table."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import text

from hub.model.staff.scope import EVERYTHING, Scope
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
_TABLES = text(
    "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
    "AND has_table_privilege(oid, 'SELECT') ORDER BY 1"
)
_DIGEST = "SELECT count(*) || md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{}\" t"


async def fingerprint(database: Database) -> dict[str, str]:
    """Return each table that the hub can read, with a digest of all its rows."""
    async with database.transaction(EVERYTHING) as tx:
        names = [name for (name,) in await tx.connection.execute(_TABLES) if name not in ALIVE]
        digests = {}
        for name in names:
            digests[name] = str(await tx.connection.scalar(text(_DIGEST.format(name))))
    return digests


async def fingerprint_of_campus(database: Database, campus: str, tables: Iterable[str]) -> dict[str, str]:
    """Return these tables, whose rows belong to campuses, each with a digest of the rows of this campus."""
    # The school's own record is under the campus of its first entry, and acts of all campuses follow it.
    only = {"record_head": " WHERE contract IN (SELECT id FROM contract)"}
    async with database.transaction(Scope(frozenset({campus}))) as tx:
        found = {name: _DIGEST.format(name) + only.get(name, "") for name in tables}
        return {name: str(await tx.connection.scalar(text(query))) for name, query in found.items()}


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the names of the tables that changed."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
