"""A database of its own for each test: quick copies of a template, in one server for the whole test run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg

from hub.errors import DatabaseUnavailable
from hub.store.server.embedded import EmbeddedPostgres
from hub.store.server.migrate import migrate

# Seconds after which an unused server may be removed. A server in use is left alone, however old it is.
ABANDONED_SECONDS = 300
MEMORY, ROOM = Path("/dev/shm"), 2 * 1024**3
# Count those who wait for a lock in this database: other tests run in the same server. Unlike pg_stat_activity, which a
# transaction reads once, it tells a transaction each time how things are.
LOCK_WAITS = """
SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_locks JOIN pg_database d
  ON d.oid = database WHERE datname = current_database())
"""


@dataclass(frozen=True)
class Dsns:
    """The addresses of one database, one for each role."""

    superuser: str
    owner: str
    app: str


@dataclass(frozen=True)
class Template:
    """A database that is made once for all workers, and then copied. `make` leaves no connection to it open."""

    name: str
    make: Callable[[Dsns], Awaitable[None]]
    base: Template | None = None


async def _migrate(dsns: Dsns) -> None:
    await migrate(dsns.owner)


MIGRATED = Template("template_migrated", _migrate)


async def tamper(app_dsn: str, statement: str, *arguments: object) -> None:
    """Execute a statement as the role `owner` that `app` may not execute, for example to falsify evidence."""
    connection = await asyncpg.connect(app_dsn.replace("//app@", "//owner@"))
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def fresh_database(template: Template = MIGRATED, *, migrated: bool = True) -> AsyncIterator[Dsns]:
    """Yield a new database, dropped at the end: a copy of the template (by default the product's schema without rows),
    or empty unless `migrated`."""
    server = await asyncio.to_thread(shared_server)
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    try:
        if migrated:
            await _make_template(server, admin, template)
        await _create(admin, name, template.name if migrated else "template1")
        try:
            yield _dsns(server, name)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


def _dsns(server: EmbeddedPostgres, name: str) -> Dsns:
    return Dsns(server.dsn("superuser", name), server.dsn("owner", name), server.dsn("app", name))


async def _create(admin: asyncpg.Connection, name: str, template: str) -> None:
    """Create a database by copying the template's files. The default, a copy through the log, takes ten times as
    long."""
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER owner STRATEGY file_copy")
    await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT ON DATABASE {name} TO app")


async def _make_template(server: EmbeddedPostgres, admin: asyncpg.Connection, template: Template) -> None:
    """Make the template once for all workers. A template that failed half-way keeps another name."""
    exists = f"SELECT 1 FROM pg_database WHERE datname = '{template.name}'"
    if await admin.fetchrow(exists):
        return
    if template.base:
        await _make_template(server, admin, template.base)
    await admin.execute("SELECT pg_advisory_lock(1)")
    try:
        if not await admin.fetchrow(exists):
            half = f"half_{template.name}"
            await admin.execute(f"DROP DATABASE IF EXISTS {half} WITH (FORCE)")
            await _create(admin, half, template.base.name if template.base else "template1")
            await template.make(_dsns(server, half))
            await admin.execute(f"ALTER DATABASE {half} RENAME TO {template.name}")
    finally:
        await admin.execute("SELECT pg_advisory_unlock(1)")


@cache
def shared_server() -> EmbeddedPostgres:
    """Return the server of this test run: the first worker starts it, the others adopt it."""
    _remove_abandoned()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
    folder = scratch_folder() / f"qianda-tests-{run}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # open to the system account of the database, whatever our umask is
    return EmbeddedPostgres(folder, durable=False).start()


@cache
def scratch_folder() -> Path:
    """Return the folder for files that a test throws away: in memory, if there is room.

    There, copying the hundreds of small files of a database takes a tenth of the time.
    """
    roomy = os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else Path(tempfile.gettempdir())


def leave_shared_server() -> None:
    """Leave the server at the end of a worker's tests. The last worker to leave deletes it."""
    if shared_server.cache_info().currsize:
        server = shared_server()
        if server.stop(remove=True):
            (server.folder / "postgres.id").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another worker came back at this very moment
                server.folder.rmdir()
        shared_server.cache_clear()


def _remove_abandoned() -> None:
    """Remove servers of test runs that were killed. A server that cannot be started because its account is gone
    stays."""
    for folder in (*Path(tempfile.gettempdir()).glob("qianda-tests-*"), *MEMORY.glob("qianda-tests-*")):
        with contextlib.suppress(OSError, DatabaseUnavailable):
            status = folder.stat()
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - ABANDONED_SECONDS:
                if EmbeddedPostgres(folder, durable=False).start().stop(remove=True):
                    (folder / "postgres.id").unlink(missing_ok=True)
                    folder.rmdir()
