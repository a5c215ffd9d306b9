"""What the outbox channel accepted."""

from __future__ import annotations

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.tables import OutboxMessageRow, table_of

OUTBOX: Table = table_of(OutboxMessageRow)


class OutboxLedger:
    """The outbox channel's memory: what it accepted, by key. It commits on its own, as a provider would."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def accept(self, key: str) -> None:
        await self._connection.execute(insert(OUTBOX).values(key=key).on_conflict_do_nothing())

    async def accepted(self, key: str) -> bool:
        return await self._connection.scalar(select(OUTBOX.c.key).where(OUTBOX.c.key == key)) is not None
