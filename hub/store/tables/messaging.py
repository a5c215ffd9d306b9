"""Providers, deliveries, budgets and opt-outs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, func
from sqlalchemy import text as sql

from hub.store.tables.columns import DeclaredTable, bytes_, column, counter, json_, moment, words


class ProviderRow(DeclaredTable):
    """The health of a configured provider: see `hub.model.messaging.provider.Health`. `name` is its configuration
    entry."""

    __tablename__ = "provider"
    name: str = words(primary_key=True)
    weight: float
    changed_at: datetime = moment(nullable=False)
    broken_at: datetime | None = moment()
    broken_reason: str | None = words()
    rests_until: datetime | None = moment()
    until_delivered: bool = column(default=False, server_default="false")


class ProviderLaneRow(DeclaredTable):
    """A lane (`code`, `message`) of a provider's rate limit, and the moment up to which it is booked (a leaky
    bucket)."""

    __tablename__ = "provider_lane"
    provider: str = words(primary_key=True)
    lane: str = words(primary_key=True)
    booked_until: datetime = moment(nullable=False)


class DeliveryRow(DeclaredTable):
    __tablename__ = "delivery"
    id: UUID = column(primary_key=True)
    key: str = words(unique=True)
    purpose: str = words()
    channel: str = words()
    provider: str | None = words()
    language: str = words()
    to_sealed: bytes = bytes_(nullable=False)
    to_hash: bytes = bytes_(nullable=False)
    text: str = words()
    variables: dict[str, Any] = json_()
    state: str = words()
    contract: UUID | None = None
    signer: UUID | None = None
    task: UUID | None = column(index=True)
    campus: str | None = words()
    person: str | None = words()
    link: UUID | None = None
    code: UUID | None = None
    created_at: datetime = moment(nullable=False)
    planned_at: datetime | None = moment()
    state_at: datetime | None = moment()
    provider_reference: str | None = words()
    failure: str | None = words()
    failure_kind: str | None = words()
    intent: str | None = words()
    rung: int = counter()
    shape: str | None = words()
    calls: int = counter()
    called_at: datetime | None = moment()
    not_before: datetime | None = moment()
    check_at: datetime | None = moment()
    segments: int | None = None
    __table_args__ = (
        Index("ix_delivery_contract", "contract", "state", postgresql_include=["campus", "purpose"]),
        Index("ix_delivery_person", "person", "created_at"),
        Index("ix_delivery_to", "to_hash", "created_at"),
        Index("ix_delivery_reference", "provider_reference", postgresql_where=sql("provider_reference IS NOT NULL")),
        Index("ix_delivery_check", "check_at", postgresql_where=sql("check_at IS NOT NULL")),
        Index("ix_delivery_unsettled", "created_at", postgresql_where=sql("state IN ('sending', 'unknown')")),
        Index(
            "ix_delivery_written",
            "created_at",
            postgresql_include=[
                "id",
                "contract",
                "campus",
                "channel",
                "provider",
                "state",
                "purpose",
                "failure_kind",
                "segments",
            ],
        ),
    )


class DeliveryShareRow(DeclaredTable):
    """The part of a message about several contracts of a person that concerns one of them, its own contract included.

    A message about one contract has no such row.
    """

    __tablename__ = "delivery_share"
    delivery: UUID = column(foreign_key="delivery.id", primary_key=True)
    task: UUID = column(foreign_key="signing_task.id", primary_key=True, index=True)
    contract: UUID = column(foreign_key="contract.id", index=True)
    signer: UUID
    campus: str = words()
    purpose: str = words()
    number: int = 0


class OutboxMessageRow(DeclaredTable):
    """A message that the `outbox` channel has accepted, as a provider would note it. It holds no text."""

    __tablename__ = "outbox_message"
    key: str = words(primary_key=True)
    accepted_at: datetime = moment(nullable=True, server_default=func.clock_timestamp())


class BudgetRow(DeclaredTable):
    """The uses of a budget by one subject in one period. `kind`: number, prefix, campus, poster and others."""

    __tablename__ = "budget"
    kind: str = words(primary_key=True)
    subject: str = words(primary_key=True)
    begins_at: datetime = column(DateTime(timezone=True), primary_key=True)
    spent: int = 0


class OptOutRow(DeclaredTable):
    """A number that has opted out of a channel, stored as a hash."""

    __tablename__ = "opt_out"
    number_hash: bytes = bytes_(nullable=False, primary_key=True)
    channel: str = words(primary_key=True)
    since: datetime = moment(nullable=False)
    source: str = words()
