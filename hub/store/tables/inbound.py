"""Inbound traffic: callbacks of providers, and messages that people sent."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, moment, words


class CallbackRow(DeclaredTable):
    """A verified callback of a provider, stored before it is answered, and processed afterwards."""

    __tablename__ = "callback"
    id: UUID = column(primary_key=True)
    provider: str = words()
    call_sealed: bytes | None = bytes_()
    received_at: datetime = moment(nullable=False)
    tries: int = counter()
    due_at: datetime | None = moment()
    handled_at: datetime | None = moment()
    outcome: str | None = words()
    __table_args__ = (Index("ix_callback_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),)


class InboundMessageRow(DeclaredTable):
    """A message that a person sent. `reference` is the provider's id, so that a repeated callback counts once."""

    __tablename__ = "inbound_message"
    id: UUID = column(primary_key=True)
    provider: str = words()
    reference: str = words()
    sender_sealed: bytes = bytes_(nullable=False)
    sender_hash: bytes = bytes_(nullable=False)
    text_sealed: bytes = bytes_(nullable=False)
    received_at: datetime = moment(nullable=False)
    wish: str | None = words()
    outcome: str | None = words()
    __table_args__ = (
        Index("uq_inbound_message_reference", "provider", "reference", unique=True),
        Index("ix_inbound_message_sender", "sender_hash", "received_at"),
        Index("ix_inbound_message_wish", "provider", "wish", "received_at"),
    )
