"""The small interface by which members of staff ask a chat robot, and get an answer in the same chat.

A `Chat` reads what its platform sends to us and writes back; every other file here is one platform, the configuration
names which are on. Nothing here knows the hub. A chat's file has one function `connect(options, place)`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    import aiohttp

# No call to a platform takes longer.
CALL_TIMEOUT = 10.0
# A call signed longer ago, or so far ahead, is refused: somebody may have kept it. DingTalk demands this hour; clocks
# of the others are held to the same.
FRESH = timedelta(hours=1)


class ForgedQuestion(Exception):
    """A call that does not come from the platform, or cannot be read as one of its calls."""


class NotSent(Exception):
    """The platform did not take our answer, or gave no answer itself. The text holds no names and no secrets."""


class BadChatOptions(ValueError):
    """The configuration of a chat is wrong; the text says which key and why."""


@dataclass(frozen=True)
class ChatRequest:
    """A request that a platform made to us; header names are in lower case, `query` is decoded."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ChatQuestion:
    """What somebody asked. `person` is the platform's own id of them; `reference` that of the message: the same twice
    is one question. `back` is what the platform needs to get the answer to the right place."""

    person: str
    text: str
    reference: str
    back: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """What the platform wants to hear at once, in answer to its call."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


class Chat(Protocol):
    def read(self, call: ChatRequest) -> ChatQuestion | Reply:
        """Verify and read a call; a `Reply` where there is nothing to answer: the platform only wants to know that we
        are here, or tells of something else than a text. Raises ForgedQuestion."""

    def reply(self, question: ChatQuestion, text: str) -> Reply | None:
        """The answer as the body of our response; None where this platform wants it by `send`."""

    async def send(self, question: ChatQuestion, text: str) -> None:
        """The answer as a call of ours. Raises NotSent."""


# ---- how a chat comes to be


@dataclass(frozen=True)
class ChatContext:
    """What the hub gives a chat. `name` is that of the configuration's entry; `http` lives as long as the hub."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]


class ChatOptions(BaseModel):
    """Base of each chat's own options: what is not known is refused, what is secret is not shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Read = TypeVar("Read", bound=ChatOptions)


def read_options(kind: type[Read], options: Mapping[str, Any], place: ChatContext) -> Read:
    """The options of a chat, checked. Raises BadChatOptions with the key and the reason, never with the value."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        reasons = (
            f"{'.'.join(str(part) for part in each['loc']) or 'options'}: {each['msg']}" for each in error.errors()
        )
        raise BadChatOptions(f"chats.{place.name}: {'; '.join(reasons)}") from None


# ---- what every platform's calls have in common


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object. Raises ForgedQuestion for everything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ForgedQuestion("the body is no JSON") from None
    if not isinstance(value, dict):
        raise ForgedQuestion("the body is no JSON object")
    return value


def same(expected: str, given: object) -> bool:
    """Compared in constant time; what is given may be anything that a stranger can send."""
    return isinstance(given, str) and hmac.compare_digest(expected.encode(), given.encode(errors="replace"))


def in_time(seconds: float, now: datetime) -> bool:
    """Whether a call that says it was made then (Unix time) may be answered now."""
    return abs(now.timestamp() - seconds) <= FRESH.total_seconds()
