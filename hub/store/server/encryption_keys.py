"""Manage the key that encrypts columns, and encrypt values again in batches. Writing needs the role `owner`.

A batch locks rows that are free and skips the others, so it never waits, and others wait for it only briefly. A value
with the id of the current key is done, so a rotation that was killed continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag

from hub.model.evidence.encryption_keys import EncryptionKeyEntry
from hub.store.encryption.cipher import BOUND, PREFIX_BYTES
from hub.store.encryption.encrypted_column import EncryptedColumn, list_encrypted_columns
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.columns import metadata
from hub.store.tables.server import SEALING_KEY as KEY

BATCH = 500
_LIST = SqlStatement(KEY.select().order_by(KEY.c.current_since))
_NOT_CURRENT = SqlStatement("UPDATE sealing_key SET is_current = false WHERE is_current RETURNING refuses_unbound")
_ADD = SqlStatement("""
INSERT INTO sealing_key (id, current_since, is_current, refuses_unbound)
VALUES (:id, CAST(:at AS timestamptz), :is_current, :refuses_unbound) ON CONFLICT DO NOTHING
""")
_RETIRE = SqlStatement("""
UPDATE sealing_key SET refuses_unbound = is_current OR refuses_unbound,
  retired_at = CASE WHEN is_current THEN NULL ELSE coalesce(retired_at, CAST(:at AS timestamptz)) END
""")
# Each running transaction has a virtual id, and a lock on it. CREATE INDEX CONCURRENTLY waits for the same locks.
_RUNNING = SqlStatement("""
SELECT virtualtransaction FROM pg_locks WHERE locktype = 'virtualxid' AND granted AND pid <> pg_backend_pid()
  AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
""")
ENCRYPTED_COLUMNS = list_encrypted_columns(metadata)


@dataclass
class EncryptedBatch:
    """The result of one batch. `last`: the key of the last row, empty at the end. `faults`: see `EncryptionFaults`."""

    last: Sequence[Any] = ()
    done: int = 0
    faults: list[str] = field(default_factory=list)


class EncryptionKeys(EncryptedRepository):
    # ---- keys

    async def list_keys(self) -> list[EncryptionKeyEntry]:
        return [EncryptionKeyEntry(**row) for row in await self._connection.execute(_LIST)]

    async def make_current(self, key: str, first: str, at: datetime) -> None:
        """Encrypt with this key from now on. `first`: the key derived from the master key, with which all values are
        encrypted before the first rotation."""
        known = await self.list_keys()
        if not known:
            await self._add(first, at, is_current=False, refuses_unbound=False)
        refuses = bool(await self._connection.scalar(_NOT_CURRENT))
        await self._add(key, at, is_current=True, refuses_unbound=refuses)

    async def _add(self, key: str, at: datetime, *, is_current: bool, refuses_unbound: bool) -> None:
        values = {"id": key, "at": at, "is_current": is_current, "refuses_unbound": refuses_unbound}
        await self._connection.execute(_ADD, values)

    async def retire_others(self, at: datetime) -> None:
        """Retire all keys except the current one, and refuse values that do not name a key."""
        await self._connection.execute(_RETIRE, {"at": at})

    async def list_running(self) -> set[str]:
        """Return the transactions of this database that are running now, except this one."""
        return {row[0] for row in await self._connection.execute(_RUNNING)}

    # ---- values

    async def count_left(self, column: EncryptedColumn) -> int:
        """Return how many values are encrypted with a key other than the current one."""
        sql = f'SELECT count(*) FROM "{column.table}" WHERE {_is_left(column)}'  # noqa: S608 - names of ours
        return int((await self._connection.fetch(sql, self._prefix))[0][0])

    async def encrypt_again(self, column: EncryptedColumn, after: Sequence[Any]) -> EncryptedBatch:
        """Encrypt a batch of values again, in rows after `after`. A value that cannot be decrypted stays as it is, and
        is reported."""
        rows = await self._page(column, after, f"{_is_left(column)} AND", "FOR NO KEY UPDATE SKIP LOCKED")
        fresh: list[tuple[Any, ...]] = []
        batch = EncryptedBatch(_last(column, rows))
        for row in rows:
            key = _key_of(column, row)
            try:
                plain = self._cipher.decrypt_bytes(row[column.column], column.at(*key))
            except InvalidTag:
                batch.faults.append(column.at(*key).decode())
                continue
            fresh.append((self._cipher.encrypt_bytes(plain, column.at(*key)), *key))
        keys = " AND ".join(f'"{name}" = ${place}' for place, name in enumerate(column.keys, 2))
        if fresh:
            await self._connection.driver.executemany(
                f'UPDATE "{column.table}" SET "{column.column}" = $1 WHERE {keys}',  # noqa: S608 - names of ours
                fresh,
            )
        batch.done = len(fresh)
        return batch

    async def check(self, column: EncryptedColumn, after: Sequence[Any]) -> EncryptedBatch:
        """Decrypt a batch of values, in rows after `after`, and report those that cannot be decrypted."""
        rows = await self._page(column, after, f'"{column.column}" IS NOT NULL AND $1::bytea IS NOT NULL AND', "")
        batch = EncryptedBatch(_last(column, rows), len(rows))
        for row in rows:
            name = column.at(*_key_of(column, row))
            try:
                self._cipher.decrypt_bytes(row[column.column], name)
            except InvalidTag:
                batch.faults.append(name.decode())
        return batch

    async def _page(self, column: EncryptedColumn, after: Sequence[Any], which: str, lock: str) -> Sequence[Row]:
        keys = ", ".join(f'"{name}"' for name in column.keys)
        places = ", ".join(f"${place}" for place in range(2, 2 + len(after)))
        behind = f"({keys}) > ({places})" if after else "true"
        sql = (
            f'SELECT {keys}, "{column.column}" FROM "{column.table}" WHERE {which} {behind}'  # noqa: S608 - as above
            f" ORDER BY {keys} LIMIT {BATCH} {lock}"
        )
        return await self._connection.fetch(sql, self._prefix, *after)

    @property
    def _prefix(self) -> bytes:
        return BOUND + bytes.fromhex(self._cipher.state.current)


def _is_left(column: EncryptedColumn) -> str:
    return f'"{column.column}" IS NOT NULL AND substr("{column.column}", 1, {PREFIX_BYTES}) <> $1'


def _key_of(column: EncryptedColumn, row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in column.keys)


def _last(column: EncryptedColumn, rows: Sequence[Row]) -> tuple[Any, ...]:
    return _key_of(column, rows[-1]) if rows else ()
