"""`qianda database move`: move the embedded database of the data folder to a PostgreSQL server.

1. The embedded database is marked as being moved: from now on no command starts it.
2. It is dumped, and loaded into the empty database on the server, in one transaction.
3. The rows of every table and the roots of all records are compared.
4. The mark says that it was moved, and where.

If it is killed at any point, run it again: a server that already holds the same data is accepted.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hub.demo.guard import check_not_demo
from hub.errors import BadInput, DatabaseUnavailable
from hub.installation.data_folder import check_folder, master_key
from hub.lifecycle.evidence.school_acts import record_hub_act
from hub.model.staff.administration import COMMAND_LINE
from hub.model.staff.scope import EVERYTHING
from hub.settings import Settings
from hub.store.backup.archive import COPY_BYTES
from hub.store.backup.compare import count_connections, summarise_database
from hub.store.backup.dump import access_to, load, stream_dump
from hub.store.encryption.keys import Keys
from hub.store.server.connections import (
    DATABASE,
    DATABASE_OWNER,
    Dsns,
    address_of,
    check_owner,
    check_server,
    open_connection,
)
from hub.store.server.embedded import EmbeddedPostgres
from hub.store.server.installation import find_binding, kind_of
from hub.store.server.migrate import check_current, migrate
from hub.store.server.moved_database import is_moved, mark_move, unmark_move
from hub.store.transaction import Database


def move_database(settings: Settings) -> dict[str, str]:
    """Move the embedded database to the server that the settings name. Return what was compared.

    Raises BadInput, DatabaseUnavailable or WrongInstallation. The embedded database is then still the hub's.
    """
    target = Dsns(settings.database_owner, settings.database)
    _check_asked(settings)
    for dsn, setting in ((target.owner, DATABASE_OWNER), (target.app, DATABASE)):
        asyncio.run(check_server(dsn, setting))
    asyncio.run(check_owner(target.owner))
    with EmbeddedPostgres(settings.data / "database") as server:
        source = server.dsn("owner")
        asyncio.run(_check_source(settings.data, source))
        mark_move(settings.data, address_of(target.app), done=False)
        try:
            return _copy(settings, server, target)
        except BaseException:
            unmark_move(settings.data)
            raise


def _check_asked(settings: Settings) -> None:
    if not (settings.database and settings.database_owner):
        raise BadInput(f"set {DATABASE} and {DATABASE_OWNER} to the server that is to get the database")
    if is_moved(settings.data):
        raise BadInput("the database of this data folder was moved already")
    if not (settings.data / "database").is_dir():
        raise BadInput(f"there is no embedded database in {settings.data.absolute()}")


async def _check_source(data: Path, source: str) -> None:
    check_not_demo(await kind_of(source))
    check_folder(data, await find_binding(source))
    await check_current(source)


def _copy(settings: Settings, server: EmbeddedPostgres, target: Dsns) -> dict[str, str]:
    source = server.dsn("owner")
    if server.has_other_users() or asyncio.run(count_connections(source)):
        raise BadInput("other processes use the embedded database: stop `serve` and `work` first")
    before = asyncio.run(summarise_database(source))
    there = asyncio.run(summarise_database(target.owner))
    if len(there) == 0:
        major = asyncio.run(_major_of(target.owner))
        with tempfile.TemporaryDirectory(prefix=".moving-", dir=settings.data) as folder:
            dump = Path(folder) / "qianda.dump"
            with stream_dump(access_to(source, server, server.version)) as content, dump.open("xb") as file:
                shutil.copyfileobj(content, file, COPY_BYTES)
            load(access_to(target.owner, None, major), dump)
        there = asyncio.run(summarise_database(target.owner))
    if there != before:
        unequal = sorted(name for name in before.keys() | there.keys() if before.get(name) != there.get(name))
        raise DatabaseUnavailable(
            f"the database {address_of(target.owner)} does not hold what the embedded one holds "
            f"({', '.join(unequal)}): "
            "make it anew, empty, and run this again"
        )
    asyncio.run(migrate(target.owner))  # sets the rights of the role app
    asyncio.run(_check_source(settings.data, target.owner))
    mark_move(settings.data, address_of(target.app), done=True)
    asyncio.run(_record(settings, target.app))
    return there


async def _major_of(owner_dsn: str) -> int:
    async with open_connection(owner_dsn, DATABASE_OWNER) as connection:
        return int(connection.get_server_version().major)


async def _record(settings: Settings, app_dsn: str) -> None:
    database = Database(app_dsn, Keys.load(master_key(settings.data)), lambda: datetime.now(UTC), pool_size=1)
    try:
        async with database.transaction(EVERYTHING) as tx:
            await record_hub_act(tx, "database-moved", COMMAND_LINE.actor, {})
    finally:
        await database.close()
