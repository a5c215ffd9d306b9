"""Messages that the outbox channel accepted."""

from __future__ import annotations

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.columns import table_of
from hub.store.tables.messaging import OutboxMessageRow

OUTBOX: Table = table_of(OutboxMessageRow)
_ACCEPT = SqlStatement(insert(OUTBOX).on_conflict_do_nothing(), ["key"])
_ACCEPTED = SqlStatement(select(OUTBOX.c.key).where(OUTBOX.c.key == bindparam("key")))


class OutboxLedger(Repository):
    """The messages that the outbox channel accepted, by key. It has its own transactions, as a real provider would."""

    async def accept(self, key: str) -> None:
        await self._connection.execute(_ACCEPT, {"key": key})

    async def accepted(self, key: str) -> bool:
        return await self._connection.scalar(_ACCEPTED, {"key": key}) is not None
