"""The two small interfaces by which Qianda reaches people, and the errors of the first.

A `Channel` sends a message and knows its fate. A `Door` renders a link: it leads in, but carries nothing.
Every other file here is one implementation; the configuration names which are on. Nothing here knows the hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class Message:
    """`key` names the intent and never changes: the same key twice is the same message. `to` is E.164 or a mail
    address.
    `text` is complete, with link and code; `template` and `variables` are for providers that put the text together.
    """

    key: str
    to: str
    purpose: str
    language: str
    text: str
    template: str
    variables: Mapping[str, str]


class Fate(StrEnum):
    """What a channel knows of a message: accepted by the provider, or already at its end."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True)
class Receipt:
    fate: Fate
    reference: str = ""


class Channel(Protocol):
    async def send(self, message: Message) -> Receipt:
        """Hand the message over. Raises Refused, ReplyLost or NotNow."""

    async def find(self, key: str) -> Receipt | None:
        """Ask the provider about a message. None: it certainly does not have it. Raises CannotAsk when it gives no
        answer."""


class ChannelError(Exception):
    """Base of all; the text is the provider's reason, without numbers or names."""


class Refused(ChannelError):
    """This message will never go out by this channel."""


class ReplyLost(ChannelError):
    """The provider may have it or not: ask before sending again."""


class NotNow(ChannelError):
    """The provider certainly did not take it; later it may."""


class CannotAsk(ChannelError):
    """The provider gives no answer about a message."""


@dataclass(frozen=True)
class Doorway:
    """What a door leads to: `url` as a person may open it, `scan_url` in upper case for small QR codes, and the ticket
    itself in groups for typing."""

    url: str
    scan_url: str
    ticket: str
    short_code: str


@dataclass(frozen=True)
class Rendering:
    """`url` is what this door hands out; the others only where the door has them."""

    url: str
    svg: str | None = None
    png: bytes | None = None
    app_url: str | None = None


class Door(Protocol):
    def render(self, doorway: Doorway) -> Rendering:
        """The same link, made fit for this door."""
