"""Delivery: one attempt to send one message through one channel, with its receipts.

The states are ordered, and a receipt can only raise the state. So the final state does not depend on the order of the
receipts, or on duplicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.model.messaging.message import COPIES, Purpose

# Time allowed for a receipt before the next channel is tried.
RECEIPT_TIMEOUT = timedelta(minutes=10)
# The same for a one-time code. It is shorter because a code expires after ten minutes and its reader is waiting.
CODE_RECEIPT_TIMEOUT = timedelta(minutes=1)
# The same for a copy, which has no other channel: how long the provider is tried again.
COPY_TIMEOUT = timedelta(hours=24)
# Time allowed for opening the link before the next channel is tried.
OPEN_TIMEOUT = timedelta(hours=24)
# Longest time that a claimed message may wait for a slot in the rate limit of a provider.
PATIENCE = timedelta(seconds=5)
# Time allowed for committing the claim.
COMMIT_TIMEOUT = timedelta(seconds=2)
# A provider is called within this time of the claim. For a later call, the claim has to be renewed first.
CALL_START_TIMEOUT = COMMIT_TIMEOUT + PATIENCE
# Messages that the hub starts and that ask the reader to open a link, the least urgent first.
PLANNED = (Purpose.INVITATION, Purpose.YOUR_TURN, Purpose.REMINDER, Purpose.LAST_CALL)
# Messages that are sent only in the daily window, because nobody is waiting for them at this moment.
BY_DAY = (*PLANNED, Purpose.EXPIRED, Purpose.REPLY)
# Failure of a message that was withdrawn because its signer now has another phone number.
PHONE_CHANGED = "phone-changed"


class DeliveryState(StrEnum):
    """State of a delivery. A later member says more than an earlier one and replaces it, never the reverse.

    `sending` is committed before the provider is called. `unknown`: the provider's reply was lost, so the provider
    has to be asked before the message is sent again.
    """

    SENDING = "sending"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


_RANK = {state: rank for rank, state in enumerate(DeliveryState)}


def merge_states(current: DeliveryState, reported: DeliveryState) -> DeliveryState:
    """Return the higher of two states. `delivered` ranks above `undelivered`, since a delivery cannot be undone."""
    return reported if _RANK[reported] > _RANK[current] else current


def choose_receipt_timeout(purpose: str) -> timedelta:
    """Return how long to wait for a receipt before the fallback checks the message."""
    if purpose in COPIES:
        return COPY_TIMEOUT
    return CODE_RECEIPT_TIMEOUT if purpose == Purpose.CODE else RECEIPT_TIMEOUT


def compute_check_time(purpose: str, state: DeliveryState, at: datetime, *, receipts: bool) -> datetime | None:
    """Return when the fallback has to check the message and perhaps use the next channel; None for never.

    `receipts`: whether the provider sends receipts. For `sending` and `unknown`, the provider is also asked, but the
    fallback does not wait for its answer.
    """
    if state in (DeliveryState.REFUSED, DeliveryState.UNDELIVERED):
        return at
    if state in (DeliveryState.SENDING, DeliveryState.UNKNOWN) or (state is DeliveryState.SENT and receipts):
        return at + choose_receipt_timeout(purpose)
    if state in (DeliveryState.SENT, DeliveryState.DELIVERED) and purpose in PLANNED:
        return at + OPEN_TIMEOUT
    return None


def earliest_start(called_at: datetime | None) -> datetime | None:
    """Return the earliest moment (real time) at which the last call for a message can have begun."""
    return called_at - CALL_START_TIMEOUT if called_at else None


@dataclass(frozen=True)
class DeliveryItem:
    """The part of a message for several contracts that concerns one of them.

    `purpose` and `number` are those of the reminder step of this task.
    """

    task: UUID
    contract: UUID
    signer: UUID
    campus: str
    purpose: str
    number: int = 0


@dataclass(frozen=True)
class StateReport:
    """News about one message. `receipts`: whether its provider sends receipts. `reference`: the provider's id."""

    state: DeliveryState
    receipts: bool = False
    reference: str | None = None
    failure: str | None = None
    failure_kind: str | None = None


@dataclass(frozen=True)
class Delivery:
    """One attempt to send one message through one channel.

    `key`: dedupe key, unique per attempt.
    `text`: has placeholders for link and code, which are filled in on sending (or when shown on the demo phone).
    `intent`: shared by the attempts of the same message through several channels; `rung` numbers them from 0.
    `provider`: the provider that was called; `provider_reference`: the provider's id for the message.
    `calls`: number of calls whose outcome is unknown.
    `called_at`: real time; all of these calls began before it.
    `shape`: SMS shape, None for other channels. `segments`: the number of segments that the provider bills.
    `not_before`: earliest moment for sending. `check_at`: when the fallback checks it next.
    """

    id: UUID
    key: str
    purpose: str
    channel: str
    to: str
    text: str
    state: DeliveryState
    created_at: datetime
    variables: Mapping[str, str]
    language: str = "zh"
    contract: UUID | None = None
    signer: UUID | None = None
    task: UUID | None = None
    campus: str | None = None
    link: UUID | None = None
    code: UUID | None = None
    planned_at: datetime | None = None
    state_at: datetime | None = None
    provider: str | None = None
    provider_reference: str | None = None
    failure: str | None = None
    failure_kind: str | None = None
    intent: str | None = None
    rung: int = 0
    shape: str | None = None
    calls: int = 0
    called_at: datetime | None = None
    segments: int | None = None
    not_before: datetime | None = None
    check_at: datetime | None = None

    def is_free(self, at: datetime, *, before: datetime | None) -> bool:
        """Return whether a process may claim the unsettled attempt at `at`.

        It must not have been put off beyond `at`, and its last claim must be older than `before`. `before` None: it
        must never have been claimed or put off.
        """
        if before is None:
            return self.state_at is None and self.not_before is None
        return (self.state_at is None or self.state_at < before) and (self.not_before is None or self.not_before <= at)

    @property
    def waits_until(self) -> datetime | None:
        """The moment before which it is not sent; None if it is being sent, or has been sent."""
        return self.not_before if self.state is DeliveryState.SENDING else None

    @property
    def earliest_start(self) -> datetime | None:
        """Earliest moment (real time) at which the last call can have begun."""
        return earliest_start(self.called_at)
