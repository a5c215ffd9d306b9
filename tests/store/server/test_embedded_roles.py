"""What the three roles of the embedded database may do, and its settings."""

from __future__ import annotations

import asyncpg
import pytest

from hub.store.server.embedded import EmbeddedPostgres
from tests.database import fresh_database
from tests.store.embedded_places import Place


async def ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_owner_and_app_are_ordinary_roles() -> None:
    async with fresh_database(migrated=False) as dsns:
        rights = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"
        mine = f"SELECT {rights} FROM pg_roles WHERE rolname = current_user"
        assert await ask(dsns.owner, mine) is False
        assert await ask(dsns.app, mine) is False
        assert await ask(dsns.superuser, mine) is True


async def test_owner_makes_tables_and_app_may_not() -> None:
    async with fresh_database(migrated=False) as dsns:
        await ask(dsns.owner, "CREATE TABLE note (text text)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(dsns.app, "CREATE TABLE other (text text)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(dsns.app, "SELECT text FROM note")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(dsns.app, "SET ROLE owner")


async def test_fresh_databases_are_separate() -> None:
    async with fresh_database(migrated=False) as one, fresh_database(migrated=False) as other:
        await ask(one.owner, "CREATE TABLE note (text text)")
        assert await ask(one.owner, "SELECT to_regclass('note') IS NOT NULL") is True
        assert await ask(other.owner, "SELECT to_regclass('note') IS NOT NULL") is False


async def test_product_database_is_durable_and_deaf_to_the_network(open_place: Place) -> None:
    with EmbeddedPostgres(open_place.folder, programs=open_place.programs) as database:
        dsn = database.dsn("app")
        assert await ask(dsn, "SHOW fsync") == "on"
        assert await ask(dsn, "SHOW synchronous_commit") == "on"
        assert await ask(dsn, "SHOW full_page_writes") == "on"
        assert await ask(dsn, "SHOW listen_addresses") == ""
        assert await ask(dsn, "SHOW server_encoding") == "UTF8"
        assert await ask(dsn, "SHOW timezone") == "UTC"
        assert await ask(dsn, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'qianda'") == "owner"


async def test_migrated_copy_has_the_schema(database: object) -> None:
    from tests.database import Dsns

    assert isinstance(database, Dsns)
    assert await ask(database.app, "SELECT to_regclass('contract') IS NOT NULL") is True
