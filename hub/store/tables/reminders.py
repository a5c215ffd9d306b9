"""Policies, the ledger of reminders, and reminders for many at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index
from sqlalchemy import text as sql
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import json_, moment, words


class ReminderPolicyRow(SQLModel, table=True):
    """What a campus changes about reminders, for everything below it (`kind` campus), for one of its courses or for
    one contract. `changes` holds the changed keys only, as configuration writes them."""

    __tablename__ = "reminder_policy"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    kind: str = words(primary_key=True)
    subject: str = words(primary_key=True)
    changes: dict[str, Any] = json_()
    changed_by: str = words()
    changed_at: datetime = moment(nullable=False)


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


class ManyRemindedRow(SQLModel, table=True):
    """One task of those that staff remind together, by one `act`. `outcome` is written in the transaction of what was
    done about it, so that it is done once."""

    __tablename__ = "many_reminded"
    act: UUID = Field(primary_key=True)
    task: UUID = Field(primary_key=True, foreign_key="signing_task.id")
    contract: UUID = Field(foreign_key="contract.id")
    campus: str = words(foreign_key="campus.id")
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    outcome: str | None = words(default=None)
    ended_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_many_reminded_left", "act", "contract", postgresql_where=sql("outcome IS NULL")),
        Index("ix_many_reminded_asked_at", "asked_at"),
    )
