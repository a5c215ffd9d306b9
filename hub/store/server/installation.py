"""What a database is for, and the one data folder that it works with.

Both stand in the table `installation`, which only the role `owner` writes. The demo never touches a database that it
did not make; and a data folder with other keys is refused, since rows that it sealed nobody else could read.
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
# The oldest sealed row: what a wrong data folder wrote came later.
_OLDEST_SEALED = """
SELECT sealed FROM (
  SELECT created_at, data_sealed AS sealed FROM contract UNION ALL SELECT created_at, people_sealed FROM enrolment
) AS rows ORDER BY created_at LIMIT 1
"""


@dataclass(frozen=True)
class Binding:
    """What has to be the same in database and data folder.

    `installation`: a random id, made by `qianda init`. `master_check`: see `Keys.check`. `root` and `seal`: SHA-256 in
    hex of the built-in authority's certificate and of the certificate of the school's seal, both as DER.
    """

    installation: UUID
    master_check: str
    root: str
    seal: str


async def mark(owner_dsn: str, kind: str, at: datetime) -> str:
    """Write `demo` or `production` unless something is written already; returns what stands there now."""
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
    """What the database says it is for: `demo`, `production`, or nothing yet."""
    return str((await _row(dsn)).get("kind", ""))


async def find_binding(dsn: str) -> Binding | None:
    """The data folder that this database is bound to; None before `qianda init`."""
    return _binding(await _row(dsn))


async def bind(owner_dsn: str, make: Callable[[], Awaitable[Binding]]) -> Binding:
    """Bind the database to what `make` gives, unless it is bound: then return what stands there, and make nothing.

    The row is locked meanwhile, so that of two data folders the second one finds the first one's. Raises
    DatabaseUnavailable before the first `qianda migrate`, asyncpg's InsufficientPrivilegeError for another role than
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
    """Put down other fingerprints of root and seal; the installation and its master key stay what they are."""
    statement = "UPDATE installation SET root_sha256 = $3, seal_sha256 = $4 WHERE installation_id = $1"
    async with connected(owner_dsn) as connection:
        done = await connection.execute(
            f"{statement} AND master_check = $2", renewed.installation, renewed.master_check, renewed.root, renewed.seal
        )
    if done != "UPDATE 1":
        raise WrongInstallation("the database was bound to another data folder meanwhile")


async def oldest_sealed(owner_dsn: str) -> bytes | None:
    """A value that was sealed under the master key which this database began with; None where nothing is sealed."""
    async with connected(owner_dsn) as connection:
        return cast(bytes | None, await connection.fetchval(_OLDEST_SEALED))


async def _row(dsn: str) -> dict[str, Any]:
    """Empty before the first `qianda migrate`. Columns of newer schemas may be missing."""
    async with connected(dsn) as connection:
        if not await connection.fetchval("SELECT to_regclass('installation') IS NOT NULL"):
            return {}
        row = await connection.fetchrow("SELECT * FROM installation")
        return dict(row) if row else {}


def _binding(row: dict[str, Any]) -> Binding | None:
    if row.get("installation_id") is None:
        return None
    return Binding(row["installation_id"], row["master_check"], row["root_sha256"], row["seal_sha256"])
