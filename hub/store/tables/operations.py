"""Signs of life."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from hub.store.tables.columns import moment


class WorkerHeartbeatRow(SQLModel, table=True):
    """Each worker says every few seconds that it is there; a row that nobody renews is removed by the others."""

    __tablename__ = "worker_heartbeat"
    worker: UUID = Field(primary_key=True)
    at: datetime = moment(nullable=False)
