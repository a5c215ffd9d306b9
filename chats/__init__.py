"""The interface for staff who ask a chat robot and get an answer in the same chat.

A `Chat` parses the callbacks of its platform and sends replies. Each other file here is one platform; the configuration
names those in use. Nothing here depends on the hub. The file of a chat has one function `connect(options, context)`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from channels.answers import read_answer

# Seconds. The longest time for a call to a platform.
CALL_TIMEOUT = 10.0
# Callbacks signed longer ago or further ahead are refused as possible replays. DingTalk prescribes an hour, which is
# used for the other platforms as well.
FRESH = timedelta(hours=1)


class ForgedQuestion(Exception):
    """The request does not come from the platform, or is not one of its callbacks."""


class NotSent(Exception):
    """The platform did not take our reply, or did not respond. The text contains no names and no secrets."""


class BadChatOptions(ValueError):
    """The configuration of a chat is invalid. The text names the key and the reason."""


@dataclass(frozen=True)
class ChatRequest:
    """A callback request of a platform. Header names are in lower case, `query` is decoded."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class ChatQuestion:
    """A question. `person`: the platform's id of the sender. `reference`: the platform's id of the message, used as
    dedupe key. `back`: what the platform needs for routing the reply."""

    person: str
    text: str
    reference: str
    back: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """The response to the platform's callback."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


class Chat(Protocol):
    def read(self, call: ChatRequest) -> ChatQuestion | Reply:
        """Verify and parse a callback. Raises ForgedQuestion.

        Returns a `Reply` if there is no question: the platform is checking the URL, or the message is not a text.
        """

    def reply(self, question: ChatQuestion, text: str) -> Reply | None:
        """Return the answer as our response to the callback; None if this platform needs `send`."""

    async def send(self, question: ChatQuestion, text: str) -> None:
        """Send the answer in a request of our own. Raises NotSent."""


# ---- creation of a chat


@dataclass(frozen=True)
class ChatContext:
    """What the hub provides to a chat. `name`: key of the configuration entry. `http`: open as long as the hub runs."""

    name: str
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]


class ChatOptions(BaseModel):
    """Base of the options of a chat. Unknown options are refused, secret values are not shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


Read = TypeVar("Read", bound=ChatOptions)


def read_options(kind: type[Read], options: Mapping[str, Any], context: ChatContext) -> Read:
    """Parse the options of a chat. Raises BadChatOptions with the key and the reason, never with the value."""
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        reasons = (
            f"{'.'.join(str(part) for part in each['loc']) or 'options'}: {each['msg']}" for each in error.errors()
        )
        raise BadChatOptions(f"chats.{context.name}: {'; '.join(reasons)}") from None


# ---- shared by the platforms


def read_object(body: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ForgedQuestion for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise ForgedQuestion("the body is no JSON") from None
    if not isinstance(value, dict):
        raise ForgedQuestion("the body is no JSON object")
    return value


async def post(http: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Post JSON to a platform. Return its answer. Raises NotSent."""
    timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT)
    headers = {"Content-Type": "application/json", **headers}
    try:
        async with http.post(url, data=body, headers=headers, allow_redirects=False, timeout=timeout) as answer:
            return read_object(await read_answer(answer))
    except (aiohttp.ClientError, OSError, TimeoutError, ForgedQuestion) as error:
        raise NotSent(type(error).__name__) from None


def is_same(expected: str, given: object) -> bool:
    """Compare in constant time. `given` may be anything that a stranger can send."""
    return isinstance(given, str) and hmac.compare_digest(expected.encode(), given.encode(errors="replace"))


def is_recent(seconds: float, now: datetime) -> bool:
    """Return whether the Unix time of a callback is close enough to `now`."""
    return abs(now.timestamp() - seconds) <= FRESH.total_seconds()
