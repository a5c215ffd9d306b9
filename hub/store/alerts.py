"""Alerts: what staff have to hear of now. Written in the transaction of what happened, sent afterwards."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.jobs import ALERT, Jobs
from hub.store.tables import AlertRow, table_of

ROW: Table = table_of(AlertRow)


class Alerts:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._jobs = Jobs(connection)

    async def add(self, kind: str, text: str, at: datetime, campus: str | None = None) -> UUID:
        """`text` names no person, number or ticket: it leaves for chats and mailboxes of staff."""
        alert = uuid4()
        values = {"id": alert, "kind": kind, "text": text, "campus": campus, "created_at": at}
        await self._connection.execute(insert(ROW).values(values))
        await self._jobs.enqueue(ALERT, {"alert": str(alert)}, f"alert-{alert}")
        return alert
