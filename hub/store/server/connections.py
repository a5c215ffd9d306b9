"""Database connections for commands and maintenance, with errors that people can act on.

An error names the address, the setting that holds it, and a remedy. It never contains a password.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from hub.errors import DatabaseUnavailable
from hub.store.server.embedded import OLDEST_VERSION

CONNECT_TIMEOUT = 10.0
# The environment variables of the settings `database` and `database_owner`.
DATABASE, DATABASE_OWNER = "QIANDA_DATABASE", "QIANDA_DATABASE_OWNER"
FORM = "postgresql://USER:PASSWORD@HOST/DATABASE, with %40 for @, %2F for / and so on in the password"

# Exception class, what is wrong, and the remedy for {setting}. The first class that fits counts.
_REASONS: tuple[tuple[type[BaseException], str, str], ...] = (
    (asyncpg.InvalidPasswordError, "the server refuses the password", "correct the password in {setting}"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "the server does not let this user in",
        "correct the user in {setting}, or allow it in the server's pg_hba.conf",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "the server has no such database",
        "correct the name in {setting}, or create the database (docs/operating.md says how)",
    ),
    (
        asyncpg.InsufficientPrivilegeError,
        "this user may not connect",
        "run GRANT CONNECT ON DATABASE … TO … there, or correct the user in {setting}",
    ),
    (asyncpg.TooManyConnectionsError, "the server has no connection left", "raise its max_connections"),
    (asyncpg.CannotConnectNowError, "the server is starting or stopping", "try again in a moment"),
    (TimeoutError, "no answer within 10 s", "check host and port in {setting}, and the firewall between"),
    (socket.gaierror, "there is no host of this name", "correct the host in {setting}"),
    (ConnectionRefusedError, "nothing listens there", "start the server, or correct host and port in {setting}"),
    (OSError, "it cannot be reached", "check that the server runs, and host and port in {setting}"),
    (asyncpg.PostgresError, "the server refuses the connection", "look into its log, and check {setting}"),
)
_RIGHTS = """
SELECT has_schema_privilege('public', 'CREATE')
   AND COALESCE((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('alembic_version')), true)
"""


@dataclass(frozen=True)
class Dsns:
    """Connection strings for the two roles. `owner` equals `app` if no separate one is configured."""

    owner: str
    app: str


@asynccontextmanager
async def open_connection(dsn: str, setting: str = DATABASE) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Open a connection and close it at the end. Raises DatabaseUnavailable if that fails."""
    with explain_errors(dsn, setting):
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def explain_errors(dsn: str, setting: str) -> Iterator[None]:
    """Turn exceptions of connecting into DatabaseUnavailable with a reason and a remedy."""
    try:
        yield
    except (asyncpg.InterfaceError, ValueError) as error:
        raise DatabaseUnavailable(f"{setting} is no address of a database: it has to be like {FORM}") from error
    except (OSError, asyncpg.PostgresError) as error:
        reason, remedy = next((why, what) for kind, why, what in _REASONS if isinstance(error, kind))
        raise DatabaseUnavailable(f"the database {address_of(dsn)}: {reason}. {_sentence(remedy, setting)}") from error


async def check_server(dsn: str, setting: str) -> None:
    """Raise DatabaseUnavailable unless the server answers and is new enough."""
    async with open_connection(dsn, setting) as connection:
        major = connection.get_server_version().major
        if major < OLDEST_VERSION:
            raise DatabaseUnavailable(
                f"the database {address_of(dsn)}: its server is PostgreSQL {major}, and {OLDEST_VERSION} or newer is "
                f"needed. Upgrade it, or name another server in {setting}"
            )


async def check_owner(dsn: str) -> None:
    """Raise DatabaseUnavailable unless this role may change the schema and the role `app` exists."""
    async with open_connection(dsn, DATABASE_OWNER) as connection:
        if not await connection.fetchval(_RIGHTS):
            raise DatabaseUnavailable(not_the_owner(dsn))
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = 'app'"):
            raise DatabaseUnavailable(
                f"the server of the database {address_of(dsn)} has no role app, as which the product runs. Run "
                "CREATE ROLE app LOGIN PASSWORD '…' there (`qianda database create-roles` prints all statements)"
            )


def not_the_owner(dsn: str) -> str:
    return (
        f"the database {address_of(dsn)}: this user may not change the schema. Set {DATABASE_OWNER} to the address "
        "with the role owner, for `qianda migrate` and `qianda init` alone"
    )


def address_of(dsn: str) -> str:
    """Return user, host, port and name for people, without anything that could be a part of a password."""
    try:
        parts = urlsplit(dsn)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "in the configuration"
    if "@" in parts.path + parts.query + parts.fragment:  # the password has a / ? or # that is not escaped as %2F
        return "in the configuration"
    host = parts.hostname or parse_qs(parts.query).get("host", ["on this machine"])[0]
    name = unquote(parts.path.lstrip("/"))
    return f"{name or '(no name)'} at {unquote(parts.username or '')}@{host}{port}".replace(" at @", " at ")


def _sentence(remedy: str, setting: str) -> str:
    text = remedy.format(setting=setting)
    return text[0].upper() + text[1:]
