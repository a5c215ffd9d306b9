"""The migrations and the tables of `hub.store.tables` describe one schema."""

from __future__ import annotations

import shutil
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from hub.errors import DatabaseUnavailable
from hub.store.evidence.trees import EVIDENCE_TRIGGERS
from hub.store.server.migrate import SCRIPTS, _upgrade, migrate
from hub.store.tables.columns import metadata
from tests.database import fresh_database

COLUMNS = """
SELECT attribute.attname, format_type(atttypid, atttypmod), attnotnull, attgenerated, pg_get_expr(adbin, adrelid)
FROM pg_attribute AS attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1
"""
CONSTRAINTS = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::regclass ORDER BY 1"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = $1 ORDER BY 1"
QUERIES = (COLUMNS, CONSTRAINTS, INDEXES)
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
NOT_OURS = ("alembic_version", "pgqueuer")

Schema = dict[str, list[tuple[object, ...]]]


async def _schema(owner_dsn: str) -> Schema:
    """Return each table with its columns, constraints and indexes, in PostgreSQL's own notation."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        names = [name for (name,) in await connection.fetch(TABLES) if not name.startswith(NOT_OURS)]
        return {
            name: [tuple(row) for query in QUERIES for row in await connection.fetch(query, name)] for name in names
        }
    finally:
        await connection.close()


async def _create_tables(owner_dsn: str) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(owner_dsn), poolclass=NullPool
    )
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()


async def test_the_doctor_looks_for_each_trigger_that_keeps_evidence() -> None:
    async with fresh_database() as dsns:
        connection = await asyncpg.connect(dsns.owner)
        found = await connection.fetch(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname IN ('keep_evidence', 'follow_record')"
        )
        await connection.close()
    assert {tuple(row) for row in found} == EVIDENCE_TRIGGERS


async def test_the_migrations_make_exactly_what_the_tables_declare() -> None:
    """Columns, types, defaults, constraints and indexes with their conditions are the same. The order of columns is
    free."""
    async with fresh_database() as migrated, fresh_database(migrated=False) as declared:
        await _create_tables(declared.owner)
        made, wanted = await _schema(migrated.owner), await _schema(declared.owner)
    assert made.keys() == wanted.keys() == metadata.tables.keys()
    assert {name: set(made[name]) ^ set(wanted[name]) for name in wanted if made[name] != wanted[name]} == {}


async def test_a_schema_of_another_version_is_refused_with_a_sentence() -> None:
    async with fresh_database() as dsns:
        owner = await asyncpg.connect(dsns.owner)
        await owner.execute("UPDATE alembic_version SET version_num = '9999'")
        await owner.close()
        with pytest.raises(DatabaseUnavailable, match="does not know the database's schema 9999"):
            await migrate(dsns.owner)


async def test_a_package_of_0_2_0_is_found_by_its_own_file(tmp_path: Path) -> None:
    released = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, released, ignore=lambda _, names: [each for each in names if "0012" <= each[:4] < "a"])
    async with fresh_database(migrated=False) as dsns:
        await _upgrade(dsns.owner, released)
        connection = await asyncpg.connect(dsns.owner)
        await connection.execute(
            "INSERT INTO evidence_package (contract, version, campus, sha256, size, leaf, made_at)"
            " VALUES (gen_random_uuid(), 1, 'hq', 'ab', 1, '', now())"
        )
        await migrate(dsns.owner)
        assert await connection.fetchval("SELECT file FROM evidence_package") == "ab"
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await connection.execute("UPDATE evidence_package SET file = 'cd'")
        await connection.close()
