"""The basis of the conformance tests: all channels that exist, each with its double, and the context of a channel."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import aiohttp
import pytest

import channels
from channels import CallbackContent, CallbackRequest, Channel, ChannelContext, Message, NotGenuine, Reporting
from tests.channels.doubles import Double, Trouble
from tests.channels.doubles.twilio import TwilioAccount

# Every file in `channels/` with a function `connect` is a channel.
KINDS = sorted(
    path.stem
    for path in Path(channels.__file__).parent.glob("*.py")
    if path.stem != "__init__" and re.search("^def connect", path.read_text("utf-8"), re.MULTILINE)
)
PHONE, MAILBOX = "+8619000000101", "parent@example.org"
ADDRESS = "https://sign.example.org/callbacks"
# Seconds, for a provider whose reply comes too late.
SHORT_DEADLINE = 1.0
CODE = "482913"
VARIABLES = {
    "campus": "合肥",
    "school": "启明学校",
    "course": "英语",
    "link": "https://sign.example.org/s/7F3KQ0ZC8M2XA",
    "ticket": "7F3KQ0ZC8M2XA",
    "entry": "https://sign.example.org/s",
    "pickup": "K7M2",
    "code": CODE,
    "deadline": "12-01",
    "minutes": "10",
}


def double_of(kind: str) -> Double:
    """Return a new double of a channel. If there is none, the test fails and says what has to be written."""
    try:
        module = import_module(f"tests.channels.doubles.{kind}")
    except ModuleNotFoundError as error:
        if error.name != f"tests.channels.doubles.{kind}":
            raise
        pytest.fail(
            f"channels/{kind}.py has no double. Write tests/channels/doubles/{kind}.py with a class Double, a small "
            "server that speaks the provider's protocol: tests/channels/doubles/__init__.py says what it has to do.",
            pytrace=False,
        )
    double: Double = module.Double()
    return double


def able(kind: str) -> frozenset[Trouble]:
    """Return the troubles that a channel's provider can have: none if it has no double, which another test reports."""
    try:
        found: frozenset[Trouble] = import_module(f"tests.channels.doubles.{kind}").Double.able
    except ModuleNotFoundError:
        found = frozenset()
    return found


@dataclass
class MemoryLedger:
    keys: set[str] = field(default_factory=set)

    async def accept(self, key: str) -> None:
        self.keys.add(key)

    async def accepted(self, key: str) -> bool:
        return key in self.keys


@dataclass
class Setting:
    """One channel, connected to its double."""

    kind: str
    double: Double
    place: ChannelContext
    channel: Channel
    sent_key: str = ""

    def message(self, **changes: Any) -> Message:
        """Return a message with a new key and the present time, to an address that this provider reaches."""
        usual = MAILBOX if self.kind.startswith("email") else PHONE
        message = Message(
            key=f"{uuid4().hex}:reminder",
            to=getattr(self.double, "to", usual),
            purpose="code",
            language="zh",
            text=f"【启明学校】验证码 {CODE},10 分钟内有效。",
            template="code",
            variables=VARIABLES,
            at=datetime.now(UTC),
            subject="验证码",
        )
        return replace(message, **changes)

    def connect(self, **changes: Any) -> Channel:
        """Return the same channel with other options."""
        return connect(self.kind, {**self.double.options(), **changes}, self.place)

    @property
    def reporting(self) -> Reporting:
        if not isinstance(self.channel, Reporting):
            pytest.skip("its provider makes no calls")
        return self.channel

    def hear(self, call: CallbackRequest) -> CallbackContent | None:
        """Return what a callback says, or None if it is not genuine or says nothing."""
        try:
            heard = self.reporting.read(call)
        except NotGenuine:
            return None
        return heard if heard.reports or heard.inbound else None


def connect(kind: str, options: dict[str, Any], place: ChannelContext) -> Channel:
    channel: Channel = import_module(f"channels.{kind}").connect(options, place)
    return channel


@contextlib.asynccontextmanager
async def at_place(kind: str, double: Double) -> AsyncIterator[Setting]:
    """Connect the channel to its double, which has to serve already."""
    async with aiohttp.ClientSession() as http:
        ledger = getattr(double, "hub_ledger", None) or MemoryLedger()
        place = ChannelContext(kind, f"{ADDRESS}/{kind}", http, ledger, lambda: datetime.now(UTC))
        yield Setting(kind, double, place, connect(kind, dict(double.options()), place))


def _telling(text: str) -> bool:
    """Return whether a reason contains a phone number or the code."""
    return bool(re.search(r"\+?\d{7,}", text)) or CODE in text


def keeps_secrets(text: str, message: Message) -> None:
    assert not _telling(text)
    assert message.to not in text
    assert message.key not in text


# ---- callbacks that were tampered with


def is_form(call: CallbackRequest) -> bool:
    return "form" in call.headers.get("content-type", "")


def doubled(call: CallbackRequest) -> list[CallbackRequest]:
    """Return copies of a form callback, in each of which another field occurs twice."""
    pairs = parse_qsl(call.body.decode(), keep_blank_values=True)
    return [replace(call, body=urlencode([*pairs, pair]).encode()) for pair in pairs]


def merged(call: CallbackRequest) -> list[CallbackRequest]:
    """Return copies of a form callback in which a field has absorbed its neighbour, into its value or into its name.

    If a signature covers names and values without a separator, it still fits them.
    """
    pairs = sorted(parse_qsl(call.body.decode(), keep_blank_values=True))
    found = []
    for number, ((name, value), (other, its)) in enumerate(pairwise(pairs)):
        others = pairs[:number] + pairs[number + 2 :]
        found += [[*others, (name, value + other + its)], [*others, (name + value + other, its)]]
    return [replace(call, body=urlencode(each).encode()) for each in found]


def tampered(call: CallbackRequest) -> dict[str, CallbackRequest]:
    """Return callbacks that no provider would send, by what is wrong with them."""
    path, mark, query = call.path.partition("?")
    start = call.url.removesuffix(call.path)
    found = {}
    for what, other in {"longer path": f"{path}x", "shorter path": path[:-1], "upper path": f"{path}/.."}.items():
        found[what] = replace(call, path=other + mark + query, url=start + other + mark + query)
    if query:
        found["no query"] = replace(call, path=path, url=start + path)
    if call.body:
        found["no bytes"] = replace(call, body=b"")
        found["no text"] = replace(call, body=b"\xff\xfe\x00")
        found["half"] = replace(call, body=call.body[: len(call.body) // 2])
    return found


def account(setting: Setting) -> TwilioAccount:
    """Return the double of a channel of Twilio."""
    assert isinstance(setting.double, TwilioAccount)
    return setting.double
