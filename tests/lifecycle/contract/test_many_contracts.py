"""What a contract costs does not grow with the number of contracts: none of its statements reads those of others.

A hub with one completed contract gets thousands of copies of its rows, under other keys. PostgreSQL counts what the
next contract reads.
"""

from __future__ import annotations

from dataclasses import replace

import asyncpg

from hub.model.contract.contract import Contract
from tests.lifecycle.signer import signed
from tests.running import ADULT_ID, STUDENT_PHONE, Running, minor_with_guardian, running_hub

COPIES = 2000
# A contract reads its own rows many times, but never so many of one table.
MAX_READ = 500
# Rows of these are few: one for a provider, a year, a seal or a worker. Jobs that were copied would be run.
FEW = (
    "contract_number",
    "pgqueuer",
    "pgqueuer_log",
    "provider_lane",
    "row_count",
    "worker_heartbeat",
    "seal",
    "seal_grant",
)
SOMEBODY_ELSE = replace(minor_with_guardian().signers[0], name="王芳", phone=STUDENT_PHONE, id_number=ADULT_ID)
READ = """
SELECT own.relname, own.seq_tup_read + coalesce(sum(index.idx_tup_read), 0)::bigint AS read
FROM pg_stat_user_tables AS own LEFT JOIN pg_stat_user_indexes AS index USING (relid)
GROUP BY own.relid, own.relname, own.seq_tup_read
"""
TABLES = "SELECT relname FROM pg_stat_user_tables"
# Ids, hashes, whatever is sealed, persons, and columns of unique indexes get a new value; every other
# column is copied, and so is the authority of certificates, which is the same for all.
COLUMNS = """
SELECT quote_ident(attname) AS name, CASE WHEN atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'
  WHEN atttypid = 'bytea'::regtype THEN 'sha256(convert_to(random()::text, ''utf8''))'
  WHEN attname = 'authority' OR attname <> 'person' AND NOT attnum = ANY(keys.numbers) THEN quote_ident(attname)
  WHEN atttypid IN ('text'::regtype, 'varchar'::regtype) THEN 'md5(random()::text)'
  WHEN atttypid IN ('int4'::regtype, 'int8'::regtype) THEN quote_ident(attname) || ' + 1000000 + copy_number'
  ELSE quote_ident(attname) END AS value
FROM pg_attribute, (SELECT coalesce(array_agg(key), '{}') AS numbers FROM pg_index, unnest(indkey) AS key
  WHERE indrelid = $1::text::regclass AND indisunique) AS keys
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''
"""


SHARED_CERTIFICATES = f"""
INSERT INTO shared_certificate (sha256, certificate)
SELECT sha256(made), made FROM (SELECT int4send(number) AS made FROM generate_series(1, {COPIES}) AS number) AS others
"""


async def test_the_contracts_of_others_are_not_read() -> None:
    async with running_hub(with_web=False) as running:
        admin = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//superuser@"))
        try:
            configured = await _filled(admin)
            await _complete(running, await running.issue_minor())
            grown = await _filled(admin) - configured - set(FEW)
            for table in grown - {"shared_certificate"}:
                await _copy_rows(admin, table)
            await admin.execute(SHARED_CERTIFICATES)
            await admin.execute("ANALYZE")
            before = await _read(running, admin)
            await _complete(running, await running.issue_minor(signers=(SOMEBODY_ELSE,)))
            after = await _read(running, admin)
        finally:
            await admin.close()
    read = {table: after[table] - before[table] for table in grown}
    assert {table: rows for table, rows in read.items() if rows > MAX_READ} == {}
    assert len(grown) > 20, grown


async def _complete(running: Running, contract: Contract) -> None:
    await signed(running, contract)
    await running.completed(contract)


async def _filled(admin: asyncpg.Connection) -> set[str]:
    tables = [row[0] for row in await admin.fetch(TABLES)]
    return {table for table in tables if await admin.fetchval(f"SELECT 1 FROM {table} LIMIT 1")}


async def _copy_rows(admin: asyncpg.Connection, table: str) -> None:
    columns = await admin.fetch(COLUMNS, table)
    names, values = (", ".join(row[place] for row in columns) for place in (0, 1))
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")  # no foreign keys, no triggers
        await admin.execute(
            f"INSERT INTO {table} ({names})"
            f" SELECT {values} FROM (SELECT * FROM {table} LIMIT 1) AS one, generate_series(1, {COPIES}) AS copy_number"
        )


async def _read(running: Running, admin: asyncpg.Connection) -> dict[str, int]:
    """Return how many rows were read of each table. A connection that ends says what it has read."""
    await running.hub.database.pool.close()
    return {row["relname"]: row["read"] for row in await admin.fetch(READ)}
