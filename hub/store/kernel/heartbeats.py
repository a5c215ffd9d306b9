"""Heartbeats: which workers are alive."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Table, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.store.kernel.connection import Connection
from hub.store.tables import WorkerHeartbeatRow, table_of

HEARTBEAT: Table = table_of(WorkerHeartbeatRow)
FORGOTTEN_AFTER = timedelta(hours=1)


class Operations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def worker_lives(self, worker: UUID, now: datetime) -> None:
        statement = insert(HEARTBEAT).values(worker=worker, at=now)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["worker"], set_={"at": now}))
        await self._connection.execute(HEARTBEAT.delete().where(HEARTBEAT.c.at < now - FORGOTTEN_AFTER))

    async def workers_seen(self, since: datetime) -> int:
        statement = select(func.count()).select_from(HEARTBEAT).where(HEARTBEAT.c.at >= since)
        return int(await self._connection.scalar(statement) or 0)
