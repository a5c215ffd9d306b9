"""Stand-ins for providers: small servers that speak the real protocol and keep a ledger of what they accepted.

`tests/channels/doubles/KIND.py` has a class `Double` for `channels/KIND.py`; the conformance tests find both by their
names. The ledger judges us: it is written before a reply is lost, and nothing of ours can change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from channels import CallbackRequest, ChannelContext, Fate


class Trouble(StrEnum):
    """What happens to one message. The first four are answered; with the others the provider has accepted it."""

    BAD_NUMBER = "bad-number"
    OPTED_OUT = "opted-out"
    BUSY = "busy"
    ACCOUNT = "account"
    LOSE_REPLY = "lose-reply"
    LATE_REPLY = "late-reply"
    GATEWAY_ERROR = "gateway-error"


@dataclass(frozen=True)
class Accepted:
    """One line of the ledger: a message for which the provider would send a bill."""

    reference: str
    to: str
    text: str
    key: str = ""


class Double(Protocol):
    """A double may have more: `account_at_fault(message, place)`, the genuine call by which its provider reports that
    nothing of this account gets through; `to`, an address that its provider reaches (else the tests take a number or
    mailbox of their own); `local`, set where no network leads to it; and `hub_ledger`, the ledger of its context."""

    accepted: list[Accepted]
    trouble: list[Trouble]
    """What happens to the next messages, one each, the first one first."""
    able: frozenset[Trouble]
    """The troubles that this provider can have at all."""

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Listen on a free port of 127.0.0.1 until the end."""

    def options(self) -> Mapping[str, Any]:
        """What the channel's entry in the configuration says, to speak to this server instead of the real one."""

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        """The provider's genuine call about a message; None where it makes no such calls (for this fate)."""

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        """The provider's genuine call with a message that a person wrote; None where it has none."""

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        """The same call as somebody would make it who is not the provider."""
