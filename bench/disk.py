"""Measure the disk space of a finished contract: files, and rows with their indexes, at once and after retention.

Instead of waiting, the bench makes its rows forty days older, and `qianda prune` then does the work of the hourly
rounds in that time. Tables are compacted (`VACUUM FULL`) before they are measured, because the database reuses the
space of deleted rows.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench.programs.demo import DemoHub, running_demo
from bench.results import Result
from bench.simulated.people import People
from hub.store.server.embedded import EmbeddedPostgres

ROUNDS = 150
# Contracts before the first measurement, so that every table and index has its first pages.
WARM_UP = 40
AGE = "40 days"
# The time columns that determine the age of a contract's rows.
MOMENTS = {
    "budget": ("begins_at",),
    "one_time_code": ("created_at", "expires_at"),
    "pgqueuer_log": ("created",),
    "pgqueuer_statistics": ("created",),
    "signature_request": ("expires_at", "embedded_at"),
    "signing_session": ("expires_at",),
}
_SIZES = """
SELECT relname, pg_table_size(pg_class.oid), pg_indexes_size(pg_class.oid) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
_JOBS_LEFT = "SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')"
LOOK_EVERY = 0.2


def run(rounds: int) -> Result:
    """Measure `rounds` contracts."""
    return asyncio.run(_measured(rounds))


@dataclass(frozen=True)
class _Measured:
    """Bytes in the store and the number of its files; for each table, its bytes and those of its indexes."""

    bytes: int
    files: int
    tables: Mapping[str, tuple[int, int]] = field(default_factory=dict)


async def _measured(contracts: int) -> Result:
    async with running_demo() as hub:
        server = EmbeddedPostgres(hub.folder / "database").start()
        database = await asyncpg.connect(server.dsn("owner"))
        try:
            async with _http(hub) as http, _http(hub) as aside:
                people = People(hub.origin, http, aside)
                warm_up = min(WARM_UP, contracts)
                await people.whole_contracts(range(warm_up))
                before = await _look(hub, database), await _look_later(hub, database)
                await people.whole_contracts(range(warm_up, warm_up + contracts))
                after = await _look(hub, database), await _look_later(hub, database)
        finally:
            await database.close()
            server.stop()
    # The first measurement after the warm-up was taken before anything was pruned, like the other first measurement.
    at_once = _per_contract(before[1], after[0], contracts)
    kept = _per_contract(before[1], after[1], contracts)
    figures = {f"{name}_at_first": value for name, value in _totals(at_once).items()} | _totals(kept)
    return Result("disk", figures, [*_rows("at first", at_once), *_rows("kept", kept)])


def _http(hub: DemoHub) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(hub.origin, cookie_jar=aiohttp.DummyCookieJar())


async def _look(hub: DemoHub, database: asyncpg.Connection[asyncpg.Record]) -> _Measured:
    while await database.fetchval(_JOBS_LEFT):
        await asyncio.sleep(LOOK_EVERY)
    await database.execute("VACUUM FULL")
    sizes = [path.stat().st_size for path in (hub.folder / "files").rglob("*") if path.is_file()]
    tables = {name: (table, indexes) for name, table, indexes in await database.fetch(_SIZES)}
    return _Measured(sum(sizes), len(sizes), tables)


async def _look_later(hub: DemoHub, database: asyncpg.Connection[asyncpg.Record]) -> _Measured:
    """Return the sizes after the retention times have passed."""
    for table, columns in MOMENTS.items():
        older = ", ".join(f"{name} = {name} - interval '{AGE}'" for name in columns)
        await database.execute(f"UPDATE {table} SET {older}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QIANDA_")}
    await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", "from qianda.cli import main; main()", "prune"],
        env=environment | {"QIANDA_DATA": str(hub.folder)},
        cwd=Path(__file__).parents[1],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return await _look(hub, database)


@dataclass(frozen=True)
class _PerContract:
    bytes: float
    files: float
    tables: Mapping[str, tuple[float, float]]


def _per_contract(before: _Measured, after: _Measured, contracts: int) -> _PerContract:
    def more(table: str) -> tuple[float, float]:
        one, other = before.tables[table], after.tables[table]
        return (other[0] - one[0]) / contracts, (other[1] - one[1]) / contracts

    return _PerContract(
        (after.bytes - before.bytes) / contracts,
        (after.files - before.files) / contracts,
        {table: more(table) for table in after.tables},
    )


def _totals(measured: _PerContract) -> dict[str, float]:
    rows = [sum(sizes) for sizes in measured.tables.values()]
    largest = sorted(measured.tables.items(), key=lambda each: -sum(each[1]))[:8]
    return {
        "files_kb": measured.bytes / 1000,
        "files": measured.files,
        "rows_kb": sum(rows) / 1000,
        **{f"rows_kb_{table}": sum(sizes) / 1000 for table, sizes in largest},
    }


def _rows(when: str, measured: _PerContract) -> Sequence[Mapping[str, Any]]:
    """Return one row for the files, and one for each table with its indexes. Bytes for each contract."""
    files = {"work": when, "table": "", "bytes": measured.bytes, "files": measured.files}
    tables = [
        {"work": when, "table": name, "bytes": round(table, 1), "index_bytes": round(indexes, 1)}
        for name, (table, indexes) in sorted(measured.tables.items())
        if table or indexes
    ]
    return [files, *tables]
