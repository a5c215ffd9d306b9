"""Figures for operators: which workers are alive, and how many rows there are by state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Table, func, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.store.kernel.connection import Connection
from hub.store.tables import WorkerHeartbeatRow, table_of

HEARTBEAT: Table = table_of(WorkerHeartbeatRow)
FORGOTTEN_AFTER = timedelta(hours=1)
_COUNTS = {
    "contracts": "SELECT state, count(*) FROM contract GROUP BY state",
    "signing_tasks": "SELECT state, count(*) FROM signing_task GROUP BY state",
    "deliveries": "SELECT state, count(*) FROM delivery GROUP BY state",
    "staff_tasks": "SELECT kind, count(*) FROM staff_task WHERE done_at IS NULL GROUP BY kind",
    "jobs": "SELECT entrypoint || ' ' || status, count(*) FROM pgqueuer GROUP BY 1",
    "stuck": "SELECT coalesce(stuck_reason, ''), count(*) FROM contract WHERE stuck_since IS NOT NULL GROUP BY 1",
}


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

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return the number of rows by table and state, within the transaction's scope."""
        return {
            name: {str(state): int(count) for state, count in await self._connection.execute(text(statement))}
            for name, statement in _COUNTS.items()
        }
