"""Open the database for a command, the configured one or that in the data folder, and explain why it cannot be used."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError

from hub.errors import BadInput, DatabaseUnavailable
from hub.settings import Settings
from hub.store.server.connections import DATABASE, DATABASE_OWNER, Dsns, address_of, check_server, not_the_owner
from hub.store.server.embedded import EmbeddedPostgres


@contextmanager
def opened_database(settings: Settings, *, as_owner: bool = False) -> Iterator[tuple[EmbeddedPostgres | None, Dsns]]:
    """Open the configured database, or the embedded one in the data folder, which must exist. It is closed at the end.

    Raises BadInput for contradicting settings, and DatabaseUnavailable, with host, setting and remedy, if the database
    cannot be used.
    """
    if settings.database:
        with _configured(settings, as_owner) as dsns:
            yield None, dsns
        return
    if settings.database_owner:
        raise BadInput(f"{DATABASE_OWNER} is set, and {DATABASE} is not: set both, or neither", field="database")
    if not (settings.data / "database").exists():
        raise DatabaseUnavailable(
            f"there is no database in {settings.data.absolute()}: run `qianda migrate` first. If there is one "
            f"elsewhere, correct QIANDA_DATA, or set {DATABASE}"
        )
    with made_database(settings) as found:
        yield found


@contextmanager
def made_database(settings: Settings) -> Iterator[tuple[EmbeddedPostgres, Dsns]]:
    """Open the embedded database in the data folder. Create it if there is none."""
    with EmbeddedPostgres.in_data_folder(settings.data) as server:
        yield server, Dsns(server.dsn("owner"), server.dsn("app"))


@contextmanager
def _configured(settings: Settings, as_owner: bool) -> Iterator[Dsns]:
    dsns = Dsns(settings.database_owner or settings.database, settings.database)
    used = dsns.owner if as_owner else dsns.app
    asyncio.run(check_server(used, DATABASE_OWNER if as_owner and settings.database_owner else DATABASE))
    try:
        yield dsns
    except (asyncpg.PostgresError, DBAPIError) as error:
        if as_owner and _lacks_rights(error):
            raise DatabaseUnavailable(not_the_owner(used)) from error
        kind = type(getattr(error, "orig", error) or error).__name__
        raise DatabaseUnavailable(f"the database {address_of(used)}: {kind}. The server's log says more") from error


def _lacks_rights(error: BaseException | None) -> bool:
    """Return whether the driver's error, which SQLAlchemy wraps, is about missing rights."""
    while error is not None:
        if isinstance(error, asyncpg.InsufficientPrivilegeError):
            return True
        error = error.__cause__
    return False
