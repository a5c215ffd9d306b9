"""Write verified callbacks on a separate connection, in one statement for all that arrived together.

A normal transaction needs five round trips for that, and a provider may call hundreds of times a second. The scope is
set once, since the connection is used for nothing else. Callbacks are processed in normal transactions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid4

import asyncpg

from channels import CallbackContent, Inbound, ReceiptReport
from hub.errors import DatabaseUnavailable
from hub.model.staff.scope import EVERYTHING
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.tables.inbound import CALLBACK

_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server closed the connection while a statement was being sent
)
CALL = EncryptedColumn.of(CALLBACK.c.call_sealed)
# The channel of NOTIFY on which workers listen for callbacks.
CALLS_CAME = "calls_came"
# A second run with the same ids changes nothing, so a statement whose answer was lost can be repeated.
_STORE = f"""
WITH stored AS (
    INSERT INTO callback (id, provider, call_sealed, received_at, due_at, tries)
    SELECT told.id, told.provider, told.call_sealed, told.at, told.at, 0
    FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::timestamptz[]) AS told (id, provider, call_sealed, at)
    ON CONFLICT (id) DO NOTHING
)
SELECT pg_notify('{CALLS_CAME}', '')
"""  # noqa: S608 - a name of ours


@dataclass(frozen=True)
class StoredCallback:
    """A verified callback that is about to be stored, with its content encrypted."""

    id: UUID
    provider: str
    call_sealed: bytes
    at: datetime

    @classmethod
    def encrypted(cls, cipher: Cipher, provider: str, content: CallbackContent, at: datetime) -> Self:
        told = {
            "reports": [_report(each) for each in content.reports],
            "inbound": [_inbound(each) for each in content.inbound],
            "unread": [{"reason": each.reason, "entry": each.entry} for each in content.unread],
        }
        identity = uuid4()
        return cls(identity, provider, cipher.encrypt_json(told, CALL.at(identity)), at)


class CallbackWriter:
    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection[Row]]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection[Row] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def store(self, calls: Sequence[StoredCallback]) -> None:
        """Store callbacks and wake the workers, committed on return. Raises DatabaseUnavailable."""
        columns = [[getattr(each, name) for each in calls] for name in ("id", "provider", "call_sealed", "at")]
        async with self._one_at_a_time:
            try:
                await self._store(columns)
            except (asyncpg.PostgresError, *_GONE) as error:
                await self._drop()
                raise DatabaseUnavailable(type(error).__name__) from error

    async def _store(self, columns: list[list[Any]]) -> None:
        known = self._connection
        try:
            await (known or await self._open()).execute(_STORE, *columns)
        except _GONE:
            if known is None:
                raise
            await self._drop()  # the connection may have been dead for hours
            await (await self._open()).execute(_STORE, *columns)

    async def _open(self) -> asyncpg.Connection[Row]:
        self._connection = await self._connect()
        await self._connection.execute("SELECT set_config('qianda.scope', $1, false)", EVERYTHING.setting)
        return self._connection

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        async with self._one_at_a_time:
            connection, self._connection = self._connection, None
            if connection is not None:
                await connection.close(timeout=1)


def _report(each: ReceiptReport) -> dict[str, Any]:
    # Not dataclasses.asdict, which copies deeply and took longer than everything else here.
    receipt = each.receipt
    said = {"fate": receipt.fate, "reference": receipt.reference, "failure": receipt.failure, "detail": receipt.detail}
    return {"receipt": said, "key": each.key, "to": each.to}


def _inbound(each: Inbound) -> dict[str, Any]:
    at = each.at.isoformat() if each.at else None
    return {"reference": each.reference, "sender": each.sender, "text": each.text, "at": at}
