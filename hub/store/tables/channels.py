"""Providers of channels: how they are, what they told us, what was spent, and who does not want to hear from us."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from hub.store.tables.columns import bytes_, counter, moment, words


class ProviderRow(SQLModel, table=True):
    """A configured provider, by the name of its entry: its present weight, whether its account is broken (and only a
    message that arrives proves the contrary), and until when it wants to be left alone."""

    __tablename__ = "provider"
    name: str = words(primary_key=True)
    weight: float
    changed_at: datetime = moment(nullable=False)
    broken_at: datetime | None = moment()
    broken_reason: str | None = words(default=None)
    rests_until: datetime | None = moment()
    until_delivered: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class ProviderLaneRow(SQLModel, table=True):
    """The rate of one provider and lane (`code`, `message`): the moment up to which it is booked (a leaky bucket)."""

    __tablename__ = "provider_lane"
    provider: str = words(primary_key=True)
    lane: str = words(primary_key=True)
    booked_until: datetime = moment(nullable=False)


class CallbackRow(SQLModel, table=True):
    """A verified call of a provider, stored before it is answered, and worked on afterwards."""

    __tablename__ = "callback"
    id: UUID = Field(primary_key=True)
    provider: str = words()
    call_sealed: bytes | None = bytes_()
    received_at: datetime = moment(nullable=False)
    tries: int = counter()
    due_at: datetime | None = moment()
    handled_at: datetime | None = moment()
    outcome: str | None = words(default=None)
    __table_args__ = (Index("ix_callback_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),)


class InboundMessageRow(SQLModel, table=True):
    """What a person wrote to us; `reference` is the provider's id, so that a repeated call counts once."""

    __tablename__ = "inbound_message"
    id: UUID = Field(primary_key=True)
    provider: str = words()
    reference: str = words()
    sender_sealed: bytes = bytes_(nullable=False)
    sender_hash: bytes = bytes_(nullable=False)
    text_sealed: bytes = bytes_(nullable=False)
    received_at: datetime = moment(nullable=False)
    wish: str | None = words(default=None)
    outcome: str | None = words(default=None)
    __table_args__ = (
        Index("uq_inbound_message_reference", "provider", "reference", unique=True),
        Index("ix_inbound_message_sender", "sender_hash", "received_at"),
        Index("ix_inbound_message_wish", "provider", "wish", "received_at"),
    )


class OptOutRow(SQLModel, table=True):
    """A number that does not want messages of a channel; kept by the hash of the number alone."""

    __tablename__ = "opt_out"
    number_hash: bytes = bytes_(nullable=False, primary_key=True)
    channel: str = words(primary_key=True)
    since: datetime = moment(nullable=False)
    source: str = words()


class BudgetRow(SQLModel, table=True):
    """How many messages were written for one subject in one period. `kind`: number, prefix, campus, poster."""

    __tablename__ = "budget"
    kind: str = words(primary_key=True)
    subject: str = words(primary_key=True)
    begins_at: datetime = Field(primary_key=True, sa_type=DateTime(timezone=True))
    spent: int = 0


class AlertRow(SQLModel, table=True):
    """Something that staff have to hear of now, by chat or mail. It is the attempt, too: `tries`, when the last began,
    when the next is due, and which addresses have it (`reached`, their marks). `bundle`: the alert that brought it.
    `text`: empty, but of one that an older hub wrote: today its sentence is made of `facts`."""

    __tablename__ = "alert"
    id: UUID = Field(primary_key=True)
    kind: str = words()
    text: str = words()
    facts: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB, sa_column_kwargs={"server_default": sql("'{}'")})
    campus: str | None = words(default=None)
    created_at: datetime = moment(nullable=False)
    sent_at: datetime | None = moment()
    failure: str | None = words(default=None)
    tries: int = counter()
    begun_at: datetime | None = moment()
    due_at: datetime | None = moment()
    reached: str = words(default="", sa_column_kwargs={"server_default": ""})
    bundle: UUID | None = None
    __table_args__ = (
        Index("ix_alert_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
        Index("ix_alert_created_at", "created_at"),
    )


class ChatAccountRow(SQLModel, table=True):
    """Which member of staff a chat user is. Whoever stands here for nobody gets nothing."""

    __tablename__ = "chat_account"
    chat: str = words(primary_key=True)
    person: str = words(primary_key=True)
    staff: UUID = Field(foreign_key="staff.id")
    created_at: datetime = moment(nullable=False)
