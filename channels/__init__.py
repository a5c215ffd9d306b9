"""The two interfaces by which Qianda reaches people, and the errors of channels.

A `Channel` sends messages and can report their outcome. A `Door` renders a link and sends nothing. Each other file here
is one implementation; the configuration names those in use. Nothing here depends on the hub.

The file of a channel has one function `connect(options, context)`, which returns the channel. `options`: its own part
of the configuration. `context`: what the hub provides.
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

# Seconds. The longest time for a call to a provider; a channel gives each request this timeout or a shorter one.
CALL_TIMEOUT = 10.0


@dataclass(frozen=True)
class MailPicture:
    """A picture (PNG) in an e-mail. `words`: what it shows, for people who cannot see it."""

    content: bytes
    words: str


@dataclass(frozen=True)
class Message:
    """A message to one person.

    `key`: idempotency key; two messages with the same key are the same message.
    `to`: E.164 number or e-mail address.
    `text`: complete, with link and code. `subject`: e-mail only. `link`: the URL in the text, if any.
    `template` (the purpose), `variables` (complete as well): for providers that compose the text themselves.
    `at`: when the attempt was written; the provider cannot have received it earlier.
    `pictures`: e-mail only, below the text.
    `called_at`: for `find` only: no call for the message began after this moment; None if unknown.
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
    pictures: tuple[MailPicture, ...] = ()
    called_at: datetime | None = None


class Fate(StrEnum):
    """Outcome of a message: accepted by the provider, or final."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"


class Failure(StrEnum):
    """Why a message was not delivered, as far as the hub reacts to it."""

    ADDRESS = "address"
    """The number or mailbox does not exist or cannot receive this kind of message."""
    OPTED_OUT = "opted-out"
    FILTERED = "filtered"
    """Filtered as spam by a network; sending more makes it worse."""
    CONTENT = "content"
    """The provider does not allow this text, template or signature."""
    ACCOUNT = "account"
    """The account, sender or signature is not registered, verified or paid. Nothing is delivered until a person acts.
    Reported by a receipt; `AccountTrouble` is the same in the reply to a call."""
    TRANSIENT = "transient"
    """Phone off, mailbox full, network busy."""
    OTHER = "other"


@dataclass(frozen=True)
class Receipt:
    """Outcome of one message. `reference`: the provider's id. `failure`: set if undelivered."""

    fate: Fate
    reference: str = ""
    failure: Failure | None = None
    detail: str = ""


class Shape(StrEnum):
    """How an SMS refers to the page. `FULL`: the text has the whole URL. `PATH`: an approved, constant domain and a
    variable path segment. `CODE`: a constant URL and a pickup code."""

    FULL = "full"
    PATH = "path"
    CODE = "code"


@dataclass(frozen=True)
class Rules:
    """Capabilities and limits of a provider. Texts are checked against them when the hub starts.

    `receipts`: it reports the outcome of messages.
    `queryable`: it can be asked whether it has a message.
    `signed`: its callbacks are signed.
    `shapes`: accepted SMS shapes; `shapes_to`: those for numbers with a given prefix (`+86`).
    `fixed_texts`: texts are registered at the provider and only variables are sent (see FixedTexts).
    `prefix`: text that the provider puts before each message and counts with it (`【…】`).
    `variable_length`: maximum length of a value. `most_segments`: maximum SMS segments; None if they are not counted.
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
        """Return the shapes for this number, the best first."""
        longest = max((prefix for prefix in self.shapes_to if to.startswith(prefix)), key=len, default=None)
        return self.shapes if longest is None else self.shapes_to[longest]


class Channel(Protocol):
    @property
    def rules(self) -> Rules:
        """Capabilities and limits of the provider."""

    async def send(self, message: Message) -> Receipt:
        """Send the message, in one attempt. Raises MessageRefused, ReplyLost, NotNow or AccountTrouble."""

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Ask the provider about a message. `reference`: the provider's id, if known.

        Return None only if the provider says that it does not have the message. Raises CannotAsk if it gives no answer.
        """


@runtime_checkable
class Checkable(Protocol):
    """A channel whose provider lets us log in without sending anything."""

    async def check(self) -> None:
        """Log in, and disconnect. Raises ChannelError with the reason if the provider refuses the login."""


class FixedText(Protocol):
    """A text registered at a provider."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Those of our variables that the text takes; everything else is spelt out in it."""


@runtime_checkable
class FixedTexts(Protocol):
    """A channel whose provider sends only registered texts (`rules.fixed_texts`)."""

    @property
    def templates(self) -> Mapping[str, FixedText]:
        """The registered texts by `purpose.language`. Other messages cannot be sent."""


class ChannelError(Exception):
    """Base class. The text is the provider's reason, without numbers or names."""


class MessageRefused(ChannelError):
    """The provider will never send this message."""

    def __init__(self, reason: str, failure: Failure = Failure.OTHER) -> None:
        super().__init__(reason)
        self.failure = failure


class ReplyLost(ChannelError):
    """The provider may or may not have the message: ask it before sending again."""


class NotNow(ChannelError):
    """The provider certainly did not take the message. It may be sent later, or by another provider."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class AccountTrouble(NotNow):
    """The provider did not take the message, and will take none until a person acts: payment, keys, suspension."""


class CannotAsk(ChannelError):
    """The provider did not answer a question about a message."""


class BadOptions(ValueError):
    """The configuration of a channel is invalid. The text names the key and the reason."""


# ---- callbacks


@dataclass(frozen=True)
class CallbackRequest:
    """A callback request of a provider. `path`: path and query exactly as received. `url`: the public URL that it was
    sent to. Header names are in lower case."""

    method: str
    url: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ReceiptReport:
    """A receipt from a callback. `key`: our key if the provider returns it; otherwise only its `reference` is known."""

    receipt: Receipt
    key: str = ""
    to: str = ""


@dataclass(frozen=True)
class Inbound:
    """A message from a person. `reference`: the provider's id, used as dedupe key."""

    reference: str
    sender: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True)
class CallbackAnswer:
    """The response that the provider expects. It does not depend on how the hub handles the callback."""

    status: int = 204
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True)
class Unread:
    """An unreadable entry of a genuine callback: the reason, and the entry as JSON, which may contain personal data."""

    reason: str
    entry: str


@dataclass(frozen=True)
class CallbackContent:
    """The content of a callback. `unread`: entries that could not be read; the others are processed all the same."""

    reports: tuple[ReceiptReport, ...] = ()
    inbound: tuple[Inbound, ...] = ()
    unread: tuple[Unread, ...] = ()
    answer: CallbackAnswer = field(default_factory=CallbackAnswer)


class NotGenuine(ChannelError):
    """The request does not come from the provider, or is not one of its callbacks."""


@runtime_checkable
class Reporting(Protocol):
    """A channel whose provider sends callbacks: receipts and inbound messages."""

    def read(self, call: CallbackRequest) -> CallbackContent:
        """Verify and parse a callback, without any I/O.

        Paths below `ChannelContext.callbacks` lead here as well, so `call.url` is checked, unless the signature covers
        it. Raises NotGenuine.
        """


# ---- creation of a channel


class AcceptedMessages(Protocol):
    """Storage for the keys of messages accepted by the outbox; other channels do not use it."""

    async def accept(self, key: str) -> None:
        """Store the key durably. Idempotent."""

    async def accepted(self, key: str) -> bool:
        """Return whether the key was stored."""


@dataclass(frozen=True)
class ChannelContext:
    """What the hub provides to a channel.

    `name`: key of the configuration entry. `callbacks`: public URL for its callbacks (`…/callbacks/NAME`). `http`: open
    as long as the hub runs.
    """

    name: str
    callbacks: str
    http: aiohttp.ClientSession
    ledger: AcceptedMessages
    clock: Callable[[], datetime]


class ChannelOptions(BaseModel):
    """Base of the options of a channel. Unknown options are refused, secret values are not shown.

    `deadline`: seconds that a provider has for one answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    deadline: float = Field(default=CALL_TIMEOUT, gt=0, le=CALL_TIMEOUT)


Read = TypeVar("Read", bound=ChannelOptions)


def read_options(kind: type[Read], options: Mapping[str, Any], context: ChannelContext) -> Read:
    """Parse the options of a channel. Raises BadOptions with the key and the reason, never with the value."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        reasons = (
            f"{'.'.join(str(part) for part in each['loc']) or 'options'}: {each['msg']}" for each in error.errors()
        )
        raise BadOptions(f"channels.{context.name}: {'; '.join(reasons)}") from None


# ---- doors


@dataclass(frozen=True)
class Doorway:
    """What a door renders: `url` for people, `scan_url` in upper case for small QR codes, the `ticket`, and the ticket
    in groups for typing (`short_code`)."""

    url: str
    scan_url: str
    ticket: str
    short_code: str


@dataclass(frozen=True)
class Rendering:
    """The rendered link. All except `url` are optional."""

    url: str
    svg: str | None = None
    png: bytes | None = None
    app_url: str | None = None


class Door(Protocol):
    def render(self, doorway: Doorway) -> Rendering:
        """Render the link for this door."""
