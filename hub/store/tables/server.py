"""The purpose of this database, heartbeats, and periodic tasks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Interval
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, column, json_, moment, words


class InstallationRow(DeclaredTable):
    """One row: the purpose of this database, and the data folder to which it is bound (empty until `qianda init`).

    Only the role `owner` writes it; `hub.store.server.installation` explains the values.
    """

    __tablename__ = "installation"
    one: bool = column(default=True, primary_key=True)
    kind: str = words()
    clock_offset: timedelta = column(Interval, default=timedelta(0))
    created_at: datetime = moment(nullable=False)
    installation_id: UUID | None = None
    master_check: str | None = words()
    root_sha256: str | None = words()
    seal_sha256: str | None = words()


class EncryptionKeyRow(DeclaredTable):
    """A key that encrypts columns, or did so earlier. `id`: see `key_id_of`, in hex. One is current; none in a database
    of an earlier version, until `qianda keys rotate`.

    `refuses_unbound`: set in the current row once every value bears the id of its key. Only the role `owner` writes it.
    """

    __tablename__ = "sealing_key"
    id: str = words(primary_key=True)
    current_since: datetime = moment(nullable=False)
    is_current: bool
    refuses_unbound: bool = False
    retired_at: datetime | None = moment()
    __table_args__ = (Index("uq_sealing_key_current", "is_current", unique=True, postgresql_where=sql("is_current")),)


class DemoClockRow(DeclaredTable):
    """One row in the database of a demo, none in others: how far its planning clock is ahead."""

    __tablename__ = "demo_clock"
    one: bool = column(default=True, primary_key=True)
    clock_offset: timedelta = column(Interval)


class SchemaRow(DeclaredTable):
    """One row, written by `qianda migrate`: hubs of the schema `compatible_from` or a later one can use this schema."""

    __tablename__ = "schema_compatibility"
    one: bool = column(default=True, primary_key=True)
    compatible_from: str = words()
    __table_args__ = (CheckConstraint("one", name="one"),)


class DutyRow(DeclaredTable):
    """A periodic task, and when its next round is due. The worker that moves this moment forward does the round."""

    __tablename__ = "duty"
    name: str = words(primary_key=True)
    due_at: datetime = moment(nullable=False)


class WorkerHeartbeatRow(DeclaredTable):
    """The heartbeat of a worker, renewed every few seconds. Other workers delete rows that are no longer renewed."""

    __tablename__ = "worker_heartbeat"
    worker: UUID = column(primary_key=True)
    at: datetime = moment(nullable=False)


class RowCountRow(DeclaredTable):
    """The rows of one table by state, as a worker counted them last, and how many seconds that took."""

    __tablename__ = "row_count"
    figure: str = words(primary_key=True)
    counts: dict[str, Any] = json_()
    counted_at: datetime = moment(nullable=False)
    seconds: float


class SendingPauseRow(DeclaredTable):
    """One row while sending is paused, none otherwise. `restored_from`: time of the backup whose restore began it."""

    __tablename__ = "sending_pause"
    one: bool = column(default=True, primary_key=True)
    since: datetime = moment(nullable=False)
    restored_from: datetime | None = moment()
    __table_args__ = (CheckConstraint("one", name="one"),)


class RestoredUntilRow(DeclaredTable):
    """One row in a restored database. The former hub may already have sent what was due until this moment."""

    __tablename__ = "restored_until"
    one: bool = column(default=True, primary_key=True)
    moment: datetime = moment(nullable=False)
    __table_args__ = (CheckConstraint("one", name="one"),)


class RestoredDeliveryRow(DeclaredTable):
    """A delivery that any provider may have: it was open in a backup, or its step was due before the restore."""

    __tablename__ = "restored_delivery"
    delivery: UUID = column(primary_key=True)
