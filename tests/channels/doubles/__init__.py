"""Doubles of providers: small servers that speak the real protocol and keep a ledger of what they accepted.

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
    """What happens to one message. The provider answers the first four; with the others it has accepted the message."""

    BAD_NUMBER = "bad-number"
    OPTED_OUT = "opted-out"
    BUSY = "busy"
    ACCOUNT = "account"
    LOSE_REPLY = "lose-reply"
    LATE_REPLY = "late-reply"
    GATEWAY_ERROR = "gateway-error"


@dataclass(frozen=True)
class Accepted:
    """One line of the ledger: a message that the provider would charge for."""

    reference: str
    to: str
    text: str
    key: str = ""


class Double(Protocol):
    """A double of a provider. It may have further attributes:

    `account_at_fault(message, place)`: the genuine call that reports that nothing of this account gets through. `to`:
    an address that its provider reaches; without it, the tests use a number or mailbox of their own. `local`: set if
    the channel uses no network. `hub_ledger`: the ledger of its context.
    """

    accepted: list[Accepted]
    trouble: list[Trouble]
    """What happens to the next messages, one each, the first one first."""
    able: frozenset[Trouble]
    """The troubles that this provider can have at all."""

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Listen on a free port of 127.0.0.1 until the end."""

    def options(self) -> Mapping[str, Any]:
        """Return the channel's options in the configuration that lead to this server instead of the real one."""

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        """Return the provider's genuine call about a message, or None if it makes no such calls (for this fate)."""

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        """Return the provider's genuine call with a message that a person wrote, or None if it has no such calls."""

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        """Return the same call as a stranger would make it."""
