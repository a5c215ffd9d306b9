"""Delivery: one attempt to bring one message through one channel, with its receipts.

Receipts form a lattice: in whatever order and however often they come, the state ends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from hub.model.messaging.message import Purpose

RECEIPT_WITHIN = timedelta(minutes=10)
# A code is worth nothing after ten minutes: whoever waits for one is looked after sooner.
CODE_RECEIPT_WITHIN = timedelta(minutes=1)
OPENED_WITHIN = timedelta(hours=24)
# So long a message may wait for its turn at a provider while its attempt is in hand.
PATIENCE = timedelta(seconds=5)
COMMIT_WITHIN = timedelta(seconds=2)
# A call begins so long after its claim, or not at all by this claim.
BEGUN_WITHIN = COMMIT_WITHIN + PATIENCE
# What we send by ourselves, and what asks somebody to open a link.
PLANNED = (Purpose.INVITATION, Purpose.REMINDER, Purpose.LAST_CALL, Purpose.YOUR_TURN)
# What goes out by day alone, since nobody acted just now: that a deadline has passed is news, but no answer.
BY_DAY = (*PLANNED, Purpose.EXPIRED)
# Why a message was withdrawn: its number is no longer this person's.
PHONE_CHANGED = "phone-changed"


class DeliveryState(StrEnum):
    """`sending` is committed before the provider is called; `unknown` means the answer was lost: ask before sending
    again.

    In the order in which they say more: the later one wins over the earlier, whichever came first.
    """

    SENDING = "sending"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    SENT = "sent"
    UNDELIVERED = "undelivered"
    DELIVERED = "delivered"


_RANK = {state: rank for rank, state in enumerate(DeliveryState)}


def joined(current: DeliveryState, reported: DeliveryState) -> DeliveryState:
    """The state that knows more. `delivered` wins over `undelivered`: a phone that has the message has it."""
    return reported if _RANK[reported] > _RANK[current] else current


def receipt_within(purpose: str) -> timedelta:
    """After so long without news somebody looks, whether a provider is silent or none took it."""
    return CODE_RECEIPT_WITHIN if purpose == Purpose.CODE else RECEIPT_WITHIN


def look_again_at(purpose: str, state: DeliveryState, at: datetime, *, receipts: bool) -> datetime | None:
    """When somebody has to look whether the message reached its person, and to try the next way if not; None: never.

    `receipts`: whether its provider reports what became of it. One that is on its way, or of which nobody knows, is
    asked about as well; but its person does not wait for the answer.
    """
    if state in (DeliveryState.REFUSED, DeliveryState.UNDELIVERED):
        return at
    if state in (DeliveryState.SENDING, DeliveryState.UNKNOWN) or (state is DeliveryState.SENT and receipts):
        return at + receipt_within(purpose)
    if state in (DeliveryState.SENT, DeliveryState.DELIVERED) and purpose in PLANNED:
        return at + OPENED_WITHIN
    return None


def began_at(called_at: datetime | None) -> datetime | None:
    """Before this moment the last call for a message did not begin, in real time."""
    return called_at - BEGUN_WITHIN if called_at else None


@dataclass(frozen=True)
class DeliveryItem:
    """What a message for several contracts is for one of them: `purpose` and `number` are those of this task's step."""

    task: UUID
    contract: UUID
    signer: UUID
    campus: str
    purpose: str
    number: int = 0


@dataclass(frozen=True)
class StateReport:
    """What was learnt of one message. `receipts`: whether its provider sends any; `reference`: the provider's id."""

    state: DeliveryState
    receipts: bool = False
    reference: str | None = None
    failure: str | None = None
    failure_kind: str | None = None


@dataclass(frozen=True)
class Delivery:
    """`text` carries placeholders for link and code, which are filled in when it leaves (or is shown on the pretend
    phone).
    `key` names the attempt: at most one delivery exists for it. `intent` is what it shares with the same message by
    other channels; `rung` counts those from 0. `provider` is who was called, `calls` how often with an outcome that
    nobody knows, `called_at` the moment, in real time, after which none of these calls began, `provider_reference` its
    own id. `shape` is that of an SMS. Not to be sent before `not_before`; looked
    at again at `check_at`.
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
    not_before: datetime | None = None
    check_at: datetime | None = None

    @property
    def began_at(self) -> datetime | None:
        return began_at(self.called_at)
