"""Signs of life."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import moment, words


class WorkerHeartbeatRow(SQLModel, table=True):
    """Each worker says every few seconds that it is there; a row that nobody renews is removed by the others."""

    __tablename__ = "worker_heartbeat"
    worker: UUID = Field(primary_key=True)
    at: datetime = moment(nullable=False)


class DutyRow(SQLModel, table=True):
    """Work that comes again and again, and when the next round of it is due. Whoever moves that moment on does it."""

    __tablename__ = "duty"
    name: str = words(primary_key=True)
    due_at: datetime = moment(nullable=False)


class SchemaRow(SQLModel, table=True):
    """One row, written by `qianda migrate`: hubs from the schema `compatible_from` on run on this one."""

    __tablename__ = "schema_compatibility"
    one: bool = Field(default=True, primary_key=True)
    compatible_from: str = words()
    __table_args__ = (CheckConstraint("one", name="one"),)
