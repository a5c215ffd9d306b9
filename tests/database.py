"""A database of its own for each test: quick copies of one migrated template, in one server for the whole test run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

import asyncpg

from hub.store.embedded import EmbeddedPostgres
from hub.store.migrate import migrate

TEMPLATE = "template_migrated"
ABANDONED_SECONDS = 3600


@dataclass(frozen=True)
class Dsns:
    """The addresses of one database, one for each role."""

    superuser: str
    owner: str
    app: str


@contextlib.asynccontextmanager
async def fresh_database(*, migrated: bool = True) -> AsyncIterator[Dsns]:
    """A new database, dropped at the end; with the product's schema unless `migrated` is false."""
    server = await asyncio.to_thread(shared_server)
    name = f"test_{uuid4().hex}"
    admin = await asyncpg.connect(server.dsn("superuser", "postgres"))
    try:
        if migrated:
            await _make_template(server, admin)
        await _create(admin, name, TEMPLATE if migrated else "template1")
        try:
            yield Dsns(server.dsn("superuser", name), server.dsn("owner", name), server.dsn("app", name))
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def _create(admin: asyncpg.Connection, name: str, template: str) -> None:
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER owner")
    await admin.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    await admin.execute(f"GRANT CONNECT ON DATABASE {name} TO app")


async def _make_template(server: EmbeddedPostgres, admin: asyncpg.Connection) -> None:
    """Migrate once for all workers; a template whose migration failed keeps another name."""
    exists = f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"
    if await admin.fetchrow(exists):
        return
    await admin.execute("SELECT pg_advisory_lock(1)")
    try:
        if not await admin.fetchrow(exists):
            await admin.execute("DROP DATABASE IF EXISTS half_migrated WITH (FORCE)")
            await _create(admin, "half_migrated", "template1")
            await migrate(server.dsn("owner", "half_migrated"))
            await admin.execute(f"ALTER DATABASE half_migrated RENAME TO {TEMPLATE}")
    finally:
        await admin.execute("SELECT pg_advisory_unlock(1)")


@cache
def shared_server() -> EmbeddedPostgres:
    """The server of this test run: the first worker starts it, the others adopt it."""
    _remove_abandoned()
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid4().hex
    folder = Path(tempfile.gettempdir()) / f"qianda-tests-{run}"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)  # open to the account of the database, whatever our umask is
    return EmbeddedPostgres(folder, durable=False).start()


def leave_shared_server() -> None:
    """At the end of a worker's tests; the last one deletes everything."""
    if shared_server.cache_info().currsize:
        server = shared_server()
        if server.stop(remove=True):
            (server.folder / "postgres.id").unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody came again at this very moment
                server.folder.rmdir()
        shared_server.cache_clear()


def _remove_abandoned() -> None:
    """Servers of test runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob("qianda-tests-*"):
        with contextlib.suppress(OSError):
            status = folder.stat()
            if status.st_uid == os.geteuid() and status.st_mtime < time.time() - ABANDONED_SECONDS:
                if EmbeddedPostgres(folder, durable=False).start().stop(remove=True):
                    (folder / "postgres.id").unlink(missing_ok=True)
                    folder.rmdir()
