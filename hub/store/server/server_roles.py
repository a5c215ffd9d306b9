"""Make the statements by which an administrator creates the roles and the database on a PostgreSQL server.

They contain passwords only as SCRAM-SHA-256 verifiers (RFC 5803), so that no password is in the statements or in the
server's log.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from urllib.parse import quote

import asyncpg

from hub.errors import BadInput
from hub.store.server.connections import open_connection

ROLES = ("owner", "app")
# RFC 7677 recommends at least 4096 rounds; PostgreSQL itself takes as many.
SCRAM_ROUNDS, SALT_BYTES, PASSWORD_BYTES = 4096, 16, 24
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_RIGHTS = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
_KNOWN = "SELECT rolname FROM pg_roles WHERE rolname = ANY($1)"


@dataclass(frozen=True)
class NewRoles:
    """Statements, to be executed one by one, and the passwords of both roles."""

    database: str
    statements: tuple[str, ...]
    passwords: dict[str, str]

    def address(self, role: str, host: str) -> str:
        return f"postgresql://{role}:{quote(self.passwords[role], safe='')}@{host}/{self.database}"


def plan_roles(database: str, known_roles: frozenset[str] = frozenset(), *, has_database: bool = False) -> NewRoles:
    """Return the statements for a server. Roles that exist (`known_roles`) get new passwords. Raises BadInput."""
    if not _NAME.fullmatch(database):
        raise BadInput("a database's name has small letters, digits and _ alone", field="database")
    passwords = {role: secrets.token_urlsafe(PASSWORD_BYTES) for role in ROLES}
    statements = [
        f"{'ALTER' if role in known_roles else 'CREATE'} ROLE {role} {_RIGHTS} PASSWORD '{scram_verifier(password)}'"
        for role, password in passwords.items()
    ]
    if not has_database:
        statements.append(f"CREATE DATABASE {database} OWNER owner ENCODING 'UTF8' TEMPLATE template0")
    statements.append(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    statements.append(f"GRANT CONNECT ON DATABASE {database} TO app")
    return NewRoles(database, tuple(statements), passwords)


async def create_roles(admin_dsn: str, database: str, *, renew: bool) -> NewRoles:
    """Create roles and database as the server's administrator. If this is killed, run it again with `renew`.

    Raises BadInput if a role or the database exists, unless `renew`, which gives the roles new passwords;
    DatabaseUnavailable if the server does not let the administrator in.
    """
    async with open_connection(admin_dsn, "the administrator's address") as connection:
        known = frozenset(row["rolname"] for row in await connection.fetch(_KNOWN, list(ROLES)))
        has_database = await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database)
        if (known or has_database) and not renew:
            found = [f"role {role}" for role in sorted(known)] + [f"database {database}"] * bool(has_database)
            raise BadInput(f"the server has {', '.join(found)} already: --new-passwords keeps what is there")
        plan = plan_roles(database, known, has_database=bool(has_database))
        try:
            for statement in plan.statements:
                await connection.execute(statement)
        except asyncpg.InsufficientPrivilegeError as error:
            raise BadInput("this user may not create roles and databases on the server") from error
    return plan


def scram_verifier(password: str, salt: bytes = b"") -> str:
    """Return the verifier that PostgreSQL stores for a password (RFC 5802, RFC 5803). `salt`: random if empty."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    text = (base64.b64encode(each).decode() for each in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(SCRAM_ROUNDS, *text)
