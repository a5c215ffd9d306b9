"""The purpose of a database, and the one data folder to which it is bound.

Both are in the table `installation`, which only the role `owner` writes. The demo never uses a database that it did not
create. A data folder with other keys is refused, because nobody else could decrypt the rows that it would write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hub.errors import DatabaseUnavailable, WrongInstallation
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.server.connections import open_connection

_BIND = """
UPDATE installation SET installation_id = $1, master_check = $2, root_sha256 = $3, seal_sha256 = $4
"""
# In a database that nobody has written to yet, every encrypted value bears the id of its key from the beginning.
_FIRST_KEY = """
INSERT INTO sealing_key (id, current_since, is_current, refuses_unbound)
SELECT $1, clock_timestamp(), true, true WHERE NOT EXISTS (SELECT FROM contract) AND NOT EXISTS (SELECT FROM enrolment)
  AND NOT EXISTS (SELECT FROM inbound_message) AND NOT EXISTS (SELECT FROM callback)
  AND NOT EXISTS (SELECT FROM sealing_key)
"""
_CURRENT_KEY = "SELECT id FROM sealing_key WHERE is_current"
# The oldest row with encrypted data: rows written with a wrong data folder are newer.
_OLDEST_ENCRYPTED = """
SELECT named, id, sealed FROM (
  SELECT created_at, 'contract.data_sealed' AS named, id, data_sealed AS sealed FROM contract
  UNION ALL SELECT created_at, 'enrolment.people_sealed', id, people_sealed FROM enrolment
) AS rows ORDER BY created_at LIMIT 1
"""


@dataclass(frozen=True)
class Binding:
    """What must be the same in the database and in the data folder.

    `installation`: a random id, created by `qianda init`. `master_check`: see `Keys`. `root`, `seal`: SHA-256 (hex) of
    the built-in authority's certificate and of the certificate of the school's seal, both DER. `sealing_key`: id (hex)
    of the key that encrypts columns now, which the folder must contain.
    """

    installation: UUID
    master_check: str
    root: str
    seal: str
    sealing_key: str = field(default="", compare=False)


async def mark(owner_dsn: str, kind: str, at: datetime) -> str:
    """Write the purpose, `demo` or `production`, unless there is one already. Return the stored one."""
    async with open_connection(owner_dsn) as connection, connection.transaction():
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
    async with open_connection(owner_dsn) as connection, connection.transaction():
        row = await connection.fetchrow("SELECT * FROM installation FOR UPDATE")
        if row is None:
            raise DatabaseUnavailable("the database is empty: run `qianda migrate` first")
        if known := _binding(dict(row)):
            return known
        made = await make()
        await connection.execute(_BIND, made.installation, made.master_check, made.root, made.seal)
        await connection.execute(_FIRST_KEY, made.sealing_key)
        return made


async def renew_certificates(owner_dsn: str, renewed: Binding) -> None:
    """Replace the fingerprints of root and seal. Raises WrongInstallation if installation or master key differ."""
    statement = "UPDATE installation SET root_sha256 = $3, seal_sha256 = $4 WHERE installation_id = $1"
    async with open_connection(owner_dsn) as connection:
        done = await connection.execute(
            f"{statement} AND master_check = $2", renewed.installation, renewed.master_check, renewed.root, renewed.seal
        )
    if done != "UPDATE 1":
        raise WrongInstallation("the database was bound to another data folder meanwhile")


async def find_oldest_encrypted(owner_dsn: str) -> tuple[bytes, bytes] | None:
    """Return a value that was encrypted with the database's first master key, with its name (see `EncryptedColumn.at`);
    None if there is no such value."""
    async with open_connection(owner_dsn) as connection:
        row = await connection.fetchrow(_OLDEST_ENCRYPTED)
    if row is None:
        return None
    table, column = row["named"].split(".")
    return row["sealed"], EncryptedColumn(table, column).at(row["id"])


async def _row(dsn: str) -> dict[str, Any]:
    """Return the row as a dict, empty before the first `qianda migrate`. Columns of newer schemas may be missing."""
    async with open_connection(dsn) as connection:
        if not await connection.fetchval("SELECT to_regclass('installation') IS NOT NULL"):
            return {}
        row = await connection.fetchrow("SELECT * FROM installation")
        has_keys = await connection.fetchval("SELECT to_regclass('sealing_key') IS NOT NULL")
        current = await connection.fetchval(_CURRENT_KEY) if has_keys else None
        return dict(row) | {"sealing_key": current or ""} if row else {}


def _binding(row: dict[str, Any]) -> Binding | None:
    if row.get("installation_id") is None:
        return None
    return Binding(
        row["installation_id"], row["master_check"], row["root_sha256"], row["seal_sha256"], row.get("sealing_key", "")
    )
