"""The purpose of a database, and the one data folder to which it is bound.

Both are in the table `installation`, which only the role `owner` writes. The demo never uses a database that it did not
create. A data folder with other keys is refused, because nobody else could decrypt the rows that it would write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from hub.errors import DatabaseUnavailable, WrongInstallation
from hub.store.server.connections import connected

_BIND = """
UPDATE installation SET installation_id = $1, master_check = $2, root_sha256 = $3, seal_sha256 = $4
"""
# The oldest row with encrypted data: rows written with a wrong data folder are newer.
_OLDEST_SEALED = """
SELECT sealed FROM (
  SELECT created_at, data_sealed AS sealed FROM contract UNION ALL SELECT created_at, people_sealed FROM enrolment
) AS rows ORDER BY created_at LIMIT 1
"""


@dataclass(frozen=True)
class Binding:
    """What must be the same in the database and in the data folder.

    `installation`: a random id, created by `qianda init`. `master_check`: see `Keys`. `root`, `seal`: SHA-256 (hex) of
    the built-in authority's certificate and of the certificate of the school's seal, both DER.
    """

    installation: UUID
    master_check: str
    root: str
    seal: str


async def mark(owner_dsn: str, kind: str, at: datetime) -> str:
    """Write the purpose, `demo` or `production`, unless there is one already. Return the stored one."""
    async with connected(owner_dsn) as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO installation (one, kind, clock_offset, created_at) VALUES (true, $1, interval '0', $2)"
            " ON CONFLICT DO NOTHING",
            kind,
            at,
        )
        stands = str(await connection.fetchval("SELECT kind FROM installation"))
        if stands == "demo":
            await connection.execute("INSERT INTO demo_clock VALUES (true, interval '0') ON CONFLICT DO NOTHING")
        return stands


async def kind_of(dsn: str) -> str:
    """Return the purpose of the database: `demo`, `production`, or an empty string if none is stored yet."""
    return str((await _row(dsn)).get("kind", ""))


async def find_binding(dsn: str) -> Binding | None:
    """Return the binding of this database; None before `qianda init`."""
    return _binding(await _row(dsn))


async def bind(owner_dsn: str, make: Callable[[], Awaitable[Binding]]) -> Binding:
    """Bind the database to the result of `make`. If it is bound already, return that binding and do not call `make`.

    The row is locked meanwhile, so of two data folders the second gets the first one's binding. Raises
    DatabaseUnavailable before the first `qianda migrate`, asyncpg's InsufficientPrivilegeError if the role is not
    `owner`.
    """
    async with connected(owner_dsn) as connection, connection.transaction():
        row = await connection.fetchrow("SELECT * FROM installation FOR UPDATE")
        if row is None:
            raise DatabaseUnavailable("the database is empty: run `qianda migrate` first")
        if known := _binding(dict(row)):
            return known
        made = await make()
        await connection.execute(_BIND, made.installation, made.master_check, made.root, made.seal)
        return made


async def renew_certificates(owner_dsn: str, renewed: Binding) -> None:
    """Replace the fingerprints of root and seal. Raises WrongInstallation if installation or master key differ."""
    statement = "UPDATE installation SET root_sha256 = $3, seal_sha256 = $4 WHERE installation_id = $1"
    async with connected(owner_dsn) as connection:
        done = await connection.execute(
            f"{statement} AND master_check = $2", renewed.installation, renewed.master_check, renewed.root, renewed.seal
        )
    if done != "UPDATE 1":
        raise WrongInstallation("the database was bound to another data folder meanwhile")


async def oldest_sealed(owner_dsn: str) -> bytes | None:
    """Return a value that was encrypted with the database's first master key; None if there is no such value."""
    async with connected(owner_dsn) as connection:
        return cast(bytes | None, await connection.fetchval(_OLDEST_SEALED))


async def _row(dsn: str) -> dict[str, Any]:
    """Return the row as a dict, empty before the first `qianda migrate`. Columns of newer schemas may be missing."""
    async with connected(dsn) as connection:
        if not await connection.fetchval("SELECT to_regclass('installation') IS NOT NULL"):
            return {}
        row = await connection.fetchrow("SELECT * FROM installation")
        return dict(row) if row else {}


def _binding(row: dict[str, Any]) -> Binding | None:
    if row.get("installation_id") is None:
        return None
    return Binding(row["installation_id"], row["master_check"], row["root_sha256"], row["seal_sha256"])
