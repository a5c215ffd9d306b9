"""What this database is for, signs of life, and work that comes again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Interval
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import moment, words


class InstallationRow(SQLModel, table=True):
    """One row: what this database is for, and the data folder that it works with (empty until `qianda init`). Only the
    owner writes it; `hub.store.server.installation` says what each value is."""

    __tablename__ = "installation"
    one: bool = Field(default=True, primary_key=True)
    kind: str = words()
    clock_offset: timedelta = Field(default=timedelta(0), sa_type=Interval)
    created_at: datetime = moment(nullable=False)
    installation_id: UUID | None = None
    master_check: str | None = words(default=None)
    root_sha256: str | None = words(default=None)
    seal_sha256: str | None = words(default=None)


class DemoClockRow(SQLModel, table=True):
    """One row in the database of a demo, none elsewhere: how far its planning clock is ahead."""

    __tablename__ = "demo_clock"
    one: bool = Field(default=True, primary_key=True)
    clock_offset: timedelta = Field(sa_type=Interval)


class SchemaRow(SQLModel, table=True):
    """One row, written by `qianda migrate`: hubs from the schema `compatible_from` on run on this one."""

    __tablename__ = "schema_compatibility"
    one: bool = Field(default=True, primary_key=True)
    compatible_from: str = words()
    __table_args__ = (CheckConstraint("one", name="one"),)


class DutyRow(SQLModel, table=True):
    """Work that comes again and again, and when the next round of it is due. Whoever moves that moment on does it."""

    __tablename__ = "duty"
    name: str = words(primary_key=True)
    due_at: datetime = moment(nullable=False)


class WorkerHeartbeatRow(SQLModel, table=True):
    """Each worker says every few seconds that it is there; a row that nobody renews is removed by the others."""

    __tablename__ = "worker_heartbeat"
    worker: UUID = Field(primary_key=True)
    at: datetime = moment(nullable=False)


class JobStartRow(SQLModel, table=True):
    """How often a job was begun. The queue does not count a job whose process died under it."""

    __tablename__ = "job_start"
    job: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    starts: int = 0
