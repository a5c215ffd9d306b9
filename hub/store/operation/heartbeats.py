"""Heartbeats: which workers are alive."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.server import WORKER_HEARTBEAT as HEARTBEAT

FORGOTTEN_AFTER = timedelta(hours=1)
_INSERT = insert(HEARTBEAT)
_LIVES = SqlStatement(
    _INSERT.on_conflict_do_update(index_elements=["worker"], set_={"at": _INSERT.excluded.at}), ["worker", "at"]
)
_FORGET = SqlStatement(HEARTBEAT.delete().where(HEARTBEAT.c.at < bindparam("before")))


class Heartbeats(Repository):
    async def worker_lives(self, worker: UUID, now: datetime) -> None:
        await self._connection.execute(_LIVES, {"worker": worker, "at": now})
        await self._connection.execute(_FORGET, {"before": now - FORGOTTEN_AFTER})

    async def count_workers(self, since: datetime) -> int:
        return await self._connection.count(HEARTBEAT, HEARTBEAT.c.at >= since)
