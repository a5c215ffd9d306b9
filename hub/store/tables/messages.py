"""Messages on their way, and the ledger of reminders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Index, func
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, counter, json_, moment, words


class DeliveryRow(SQLModel, table=True):
    __tablename__ = "delivery"
    id: UUID = Field(primary_key=True)
    key: str = words(unique=True)
    purpose: str = words()
    channel: str = words()
    provider: str | None = words(default=None)
    language: str = words()
    to_sealed: bytes = bytes_(nullable=False)
    to_hash: bytes = bytes_(nullable=False)
    text: str = words()
    variables: dict[str, Any] = json_()
    state: str = words()
    contract: UUID | None = Field(default=None, index=True)
    signer: UUID | None = None
    task: UUID | None = Field(default=None, index=True)
    campus: str | None = words(default=None)
    person: str | None = words(default=None)
    link: UUID | None = None
    code: UUID | None = None
    created_at: datetime = moment(nullable=False)
    planned_at: datetime | None = moment()
    state_at: datetime | None = moment()
    provider_reference: str | None = words(default=None)
    failure: str | None = words(default=None)
    failure_kind: str | None = words(default=None)
    intent: str | None = words(default=None)
    rung: int = counter()
    shape: str | None = words(default=None)
    calls: int = counter()
    called_at: datetime | None = moment()
    not_before: datetime | None = moment()
    check_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_delivery_person", "person", "created_at"),
        Index("ix_delivery_to", "to_hash", "created_at"),
        Index("ix_delivery_reference", "provider_reference", postgresql_where=sql("provider_reference IS NOT NULL")),
        Index("ix_delivery_check", "check_at", postgresql_where=sql("check_at IS NOT NULL")),
        Index("ix_delivery_unsettled", "created_at", postgresql_where=sql("state IN ('sending', 'unknown')")),
    )


class DeliveryShareRow(SQLModel, table=True):
    """What one message for several contracts of a person is for each of them, its own among them. A message for one
    contract has none."""

    __tablename__ = "delivery_share"
    delivery: UUID = Field(foreign_key="delivery.id", primary_key=True)
    task: UUID = Field(foreign_key="signing_task.id", primary_key=True, index=True)
    contract: UUID = Field(foreign_key="contract.id", index=True)
    signer: UUID
    campus: str = words()
    purpose: str = words()
    number: int = 0


class OutboxMessageRow(SQLModel, table=True):
    """What the `outbox` channel has accepted: its own ledger, as a provider would have one. It holds no text."""

    __tablename__ = "outbox_message"
    key: str = words(primary_key=True)
    accepted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), server_default=func.clock_timestamp()))


class ReminderEntryRow(SQLModel, table=True):
    """The ledger of reminders: planned, sent, skipped (and why), failed, receipt, opened, stopped."""

    __tablename__ = "reminder_entry"
    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    contract: UUID = Field(foreign_key="contract.id", index=True)
    task: UUID
    campus: str = words()
    kind: str = words()
    step: str | None = words(default=None)
    number: int = 0
    due_at: datetime | None = moment()
    at: datetime = moment(nullable=False)
    reason: str | None = words(default=None)
    delivery: UUID | None = None
