"""Acts of staff on many contracts."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, moment, words


class BulkActRow(DeclaredTable):
    """An act of staff on many contracts. `deadline`: a day, which ends where each campus is. `reason_sealed`: empty
    once all is done."""

    __tablename__ = "bulk_act"
    id: UUID = column(primary_key=True)
    campus: str = words(foreign_key="campus.id")
    kind: str = words()
    asked_by: str = words()
    asked_at: datetime = moment(nullable=False)
    deadline: date | None = None
    may_issue: bool = False
    reason_sealed: bytes | None = bytes_()
    __table_args__ = (Index("ix_bulk_act_asked_at", "asked_at"),)


class BulkItemRow(DeclaredTable):
    """One contract of such an act. Its `verdict` is written in the transaction that changes the contract, so that
    nothing happens twice."""

    __tablename__ = "bulk_item"
    act: UUID = column(primary_key=True, foreign_key="bulk_act.id")
    contract: UUID = column(primary_key=True, foreign_key="contract.id")
    campus: str = words(foreign_key="campus.id")
    ordinal: int
    tries: int = counter()
    verdict: str | None = words()
    failure_sealed: bytes | None = bytes_()
    replaced_by: UUID | None = None
    ended_at: datetime | None = moment()
    __table_args__ = (Index("ix_bulk_item_left", "act", "ordinal", postgresql_where=sql("verdict IS NULL")),)
