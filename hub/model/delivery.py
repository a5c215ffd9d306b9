"""Delivery: one attempt to bring one message through one channel, with its receipts.

Receipts form a lattice: in whatever order and however often they come, the state ends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


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


@dataclass(frozen=True)
class Delivery:
    """`text` carries placeholders for link and code, which are filled in when it leaves (or is shown on the pretend
    phone).
    `key` names the intent: at most one delivery exists for it. `provider_reference` is the provider's own id.
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
    provider_reference: str | None = None
    failure: str | None = None
