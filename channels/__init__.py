"""The two small interfaces by which Qianda reaches people, and the errors of the first.

A `Channel` sends a message and knows its fate. A `Door` renders a link: it leads in, but carries nothing.
Every other file here is one implementation; the configuration names which are on. Nothing here knows the hub.

A channel's file has one function `connect(options, place)`, which returns the channel. `options` is what the
configuration says of it beyond what the hub reads itself; `place` is what the hub gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    import aiohttp

# No call to a provider takes longer: a channel gives each of its requests this deadline or a shorter one.
CALL_TIMEOUT = 10.0


@dataclass(frozen=True)
class Message:
    """`key` names the intent and never changes: the same key twice is the same message. `to` is E.164 or a mail
    address. `at` is when the attempt was written: the provider cannot have had it earlier. In a question
    about it `called_at` says after when no call for it began; None where nobody knows.

    `text` is complete, with link and code; `subject` is for mail. `template` (the purpose) and `variables` (complete,
    too) are for providers that put the text together themselves. `link` is the address in it, if there is one.
    """

    key: str
    to: str
    purpose: str
    language: str
    text: str
    template: str
    variables: Mapping[str, str]
    at: datetime
    subject: str = ""
    link: str = ""
    called_at: datetime | None = None


class Fate(StrEnum):
    """What a channel knows of a message: accepted by the provider, or already at its end."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


class Failure(StrEnum):
    """Why a message did not get through, as far as the hub acts on it."""

    ADDRESS = "address"
    """There is no such number or mailbox, or it cannot get messages of this kind."""
    OPTED_OUT = "opted-out"
    FILTERED = "filtered"
    """Held back as spam by a network: sending more of the same makes it worse."""
    CONTENT = "content"
    """The provider does not allow this text, template or signature."""
    ACCOUNT = "account"
    """Nothing of this account, sender or signature gets through until a person mends it: it is not registered, verified
    or paid. What AccountTrouble says at once, a receipt says afterwards."""
    TRANSIENT = "transient"
    """Phone off, mailbox full, network busy."""
    OTHER = "other"


@dataclass(frozen=True)
class Receipt:
    """`reference` is the provider's own id of the message; `failure` is set for what was not delivered."""

    fate: Fate
    reference: str = ""
    failure: Failure | None = None
    detail: str = ""


class Shape(StrEnum):
    """How an SMS leads to the link. `FULL`: the address stands in the text. `PATH`: an approved, constant domain and a
    variable piece of path. `CODE`: a constant address and a pickup code."""

    FULL = "full"
    PATH = "path"
    CODE = "code"


@dataclass(frozen=True)
class Rules:
    """What a provider accepts, and what it can tell. Texts are checked against it when they are configured.

    `receipts`: it reports what became of a message. `queryable`: it can be asked whether it has one. `signed`: its
    calls prove that they are its own. `shapes`: the SMS shapes that it carries, `shapes_to` those for numbers that
    begin so (`+86`). `fixed_texts`: the text lies at the provider, and only variables are sent (see FixedTexts).
    `prefix`: what the provider writes before each text, which counts with it (`【…】`). `variable_length`: the longest
    value of one variable. `most_segments`: SMS segments, or None where no segments are counted.
    """

    receipts: bool = False
    queryable: bool = False
    signed: bool = False
    shapes: tuple[Shape, ...] = (Shape.FULL,)
    shapes_to: Mapping[str, tuple[Shape, ...]] = field(default_factory=dict)
    fixed_texts: bool = False
    prefix: str = ""
    variable_length: int | None = None
    most_segments: int | None = None

    def shapes_for(self, to: str) -> tuple[Shape, ...]:
        """The shapes for one number, the best first."""
        longest = max((prefix for prefix in self.shapes_to if to.startswith(prefix)), key=len, default=None)
        return self.shapes if longest is None else self.shapes_to[longest]


class Channel(Protocol):
    @property
    def rules(self) -> Rules:
        """What its provider accepts and can tell."""

    async def send(self, message: Message) -> Receipt:
        """Hand the message over, in one attempt. Raises MessageRefused, ReplyLost, NotNow or AccountTrouble."""

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Ask the provider about a message; `reference` is its own id, where it is known.

        None: it certainly does not have it, and only an answer that says so counts as that. Raises CannotAsk when it
        gives no answer.
        """


class FixedText(Protocol):
    """A text that lies at a provider."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Which of our variables it takes; everything else is written out in it."""


@runtime_checkable
class FixedTexts(Protocol):
    """A channel whose provider holds the texts itself (`rules.fixed_texts`)."""

    @property
    def templates(self) -> Mapping[str, FixedText]:
        """What lies there, by `purpose.language`; a message that is not here cannot be sent."""


class ChannelError(Exception):
    """Base of all; the text is the provider's reason, without numbers or names."""


class MessageRefused(ChannelError):
    """This message will never go out by this provider."""

    def __init__(self, reason: str, failure: Failure = Failure.OTHER) -> None:
        super().__init__(reason)
        self.failure = failure


class ReplyLost(ChannelError):
    """The provider may have it or not: ask before sending again."""


class NotNow(ChannelError):
    """The provider certainly did not take it; later, or by another provider, it may go."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class AccountTrouble(NotNow):
    """The provider took nothing, and will take nothing until a person mends the account: money, keys, suspension."""


class CannotAsk(ChannelError):
    """The provider gives no answer about a message."""


class BadOptions(ValueError):
    """The configuration of a channel is wrong; the text says which key and why."""


# ---- what providers tell us by themselves


@dataclass(frozen=True)
class CallbackRequest:
    """A request that a provider made to us. `path` is path and query exactly as they arrived; `url` the public address
    that it was made to. Header names are in lower case."""

    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ReceiptReport:
    """A receipt that came by itself. `key` where the provider hands ours back, else only its `reference`."""

    receipt: Receipt
    key: str = ""
    to: str = ""


@dataclass(frozen=True)
class Inbound:
    """A message that a person sent to us. `reference` is the provider's id of it: the same twice is one message."""

    reference: str
    sender: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True)
class CallbackAnswer:
    """What the provider wants to hear. Nothing in it depends on what the hub makes of the call."""

    status: int = 204
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True)
class Unread:
    """An entry of a genuine call that could not be read: why, and the entry as it came, in JSON. It may hold numbers
    and what somebody wrote."""

    reason: str
    entry: str


@dataclass(frozen=True)
class Heard:
    """`unread`: what is odd among the entries of one call. The others count, and a person looks at these."""

    reports: tuple[ReceiptReport, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    unread: tuple[Unread, ...] = ()
    answer: CallbackAnswer = field(default_factory=CallbackAnswer)


class NotGenuine(ChannelError):
    """A call that does not come from the provider, or cannot be read as one of its calls."""


@runtime_checkable
class Reporting(Protocol):
    """A channel whose provider calls back: receipts, and what people answer."""

    def read(self, call: CallbackRequest) -> Heard:
        """Verify and read a call, without waiting for anything. Raises NotGenuine."""


# ---- how a channel comes to be


class AcceptedMessages(Protocol):
    """What the outbox remembers by; other channels have no use for it."""

    async def accept(self, key: str) -> None:
        """Remember the key, durably, before returning. The same key again changes nothing."""

    async def accepted(self, key: str) -> bool:
        """Whether the key was accepted."""


@dataclass(frozen=True)
class ChannelContext:
    """What the hub gives a channel. `name` is that of the configuration's entry; `callbacks` is the public address
    under which its provider can reach us (`…/callbacks/NAME`); `http` lives as long as the hub."""

    name: str
    callbacks: str
    http: aiohttp.ClientSession
    ledger: AcceptedMessages
    clock: Callable[[], datetime]


class ChannelOptions(BaseModel):
    """Base of each channel's own options: what is not known is refused, what is secret is not shown.

    `deadline`: so many seconds a provider has for one answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    deadline: float = Field(default=CALL_TIMEOUT, gt=0, le=CALL_TIMEOUT)


Read = TypeVar("Read", bound=ChannelOptions)


def read_options(kind: type[Read], options: Mapping[str, Any], place: ChannelContext) -> Read:
    """The options of a channel, checked. Raises BadOptions with the key and the reason, never with the value."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        reasons = (
            f"{'.'.join(str(part) for part in each['loc']) or 'options'}: {each['msg']}" for each in error.errors()
        )
        raise BadOptions(f"channels.{place.name}: {'; '.join(reasons)}") from None


# ---- doors


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
