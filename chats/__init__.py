"""The small interface by which members of staff ask a chat robot, and get an answer in the same chat.

A `Chat` reads what its platform sends to us and writes back; every other file here is one platform, the configuration
names which are on. Nothing here knows the hub. A chat's file has one function `connect(options, name, http)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class NotGenuine(Exception):
    """A call that does not come from the platform, or cannot be read as one of its calls."""


@dataclass(frozen=True)
class Call:
    """A request that a platform made to us; header names are in lower case, `query` is decoded."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Question:
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
    content_type: str = "application/json"


class Chat(Protocol):
    def read(self, call: Call) -> Question | Reply:
        """Verify and read a call; a `Reply` where the platform only wants to know that we are here. Raises
        NotGenuine."""

    def reply(self, question: Question, text: str) -> Reply | None:
        """The answer as the body of our response; None where this platform wants it by `send`."""

    async def send(self, question: Question, text: str) -> None:
        """The answer as a call of ours. Raises OSError or TimeoutError when it did not get through."""
