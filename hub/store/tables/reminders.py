"""Reminder policies, the ledger of reminders, and bulk reminders."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, column, json_, moment, words


class ReminderPolicyRow(DeclaredTable):
    """The changes to the reminder policy for a campus and all below it (`kind` campus), one of its courses, or a
    contract.

    `changes` holds only the changed keys, as the configuration writes them.
    """

    __tablename__ = "reminder_policy"
    campus: str = words(primary_key=True, foreign_key="campus.id")
    kind: str = words(primary_key=True)
    subject: str = words(primary_key=True)
    changes: dict[str, Any] = json_()
    changed_by: str = words()
    changed_at: datetime = moment(nullable=False)


class ReminderEntryRow(DeclaredTable):
    """An entry of the ledger of reminders: planned, sent, skipped (and why), failed, receipt, opened, stopped."""

    __tablename__ = "reminder_entry"
    id: int | None = column(BigInteger, primary_key=True, autoincrement=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    task: UUID
    campus: str = words()
    kind: str = words()
    step: str | None = words()
    number: int = 0
    due_at: datetime | None = moment()
    at: datetime = moment(nullable=False)
    reason: str | None = words()
    delivery: UUID | None = None


class ManyRemindedRow(DeclaredTable):
    """One task of a bulk reminder (`act`). Its `outcome` is written in the transaction of its message, so that it is
    sent once."""

    __tablename__ = "many_reminded"
    act: UUID = column(primary_key=True)
    task: UUID = column(primary_key=True, foreign_key="signing_task.id")
    contract: UUID = column(foreign_key="contract.id")
    campus: str = words(foreign_key="campus.id")
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    outcome: str | None = words()
    ended_at: datetime | None = moment()
    __table_args__ = (
        Index("ix_many_reminded_left", "act", "contract", postgresql_where=sql("outcome IS NULL")),
        Index("ix_many_reminded_asked_at", "asked_at"),
    )
