"""A real gateway that we did not write: what `sms_kannel` sends arrives, and what comes back is read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import (
    AccountTrouble,
    CallbackRequest,
    ChannelContext,
    Failure,
    Fate,
    Inbound,
    Message,
    MessageRefused,
    NotNow,
    ReceiptReport,
)
from channels.sms_kannel import Kannel, connect
from tests.channels import kannel_peer
from tests.channels.conformance import MemoryLedger
from tests.channels.kannel_peer import PASSWORD, SENDER, SENDSMS, UNROUTABLE, USERNAME, in_namespace, until

PHONE = "+8619000000101"
ORIGIN, SECRET = "http://127.0.0.1:9000", "a-secret-piece-of-the-path"
CALLBACKS = f"{ORIGIN}/callbacks/sms_kannel"
CHINESE = "【启明学校】您有一份合同待签署:https://sign.example.org/s/7F3KQ0ZC8M2XA"
LONG = " ".join(f"Part {number} costs £{number}, see [a]." for number in range(12))
# Sender, what is typed at the fake centre, and the text that it means.
WRITTEN = [
    (PHONE, "text STOP", "STOP"),
    ("00447700900123", "text 1+1 = 2 & more", "1+1 = 2 & more"),
    ("8619000000102", "ucs2 %90%00%8B%A2", "退订"),
]
OPTIONS = {
    "url": SENDSMS,
    "username": USERNAME,
    "password": PASSWORD,
    "callback_secret": SECRET,
    "sender": SENDER,
}


@dataclass
class Hub:
    """A server for the gateway's calls. While `away`, it refuses them."""

    channel: Kannel
    away: bool = False
    turned_away: int = 0
    reports: list[ReceiptReport] = field(default_factory=list)
    inbound: list[Inbound] = field(default_factory=list)

    async def called(self, request: web.Request) -> web.Response:
        if self.away:
            self.turned_away += 1
            return web.Response(status=503)
        url = ORIGIN + request.raw_path
        headers = {name.lower(): value for name, value in request.headers.items()}
        heard = self.channel.read(CallbackRequest(request.method, url, request.raw_path, headers, await request.read()))
        self.reports += heard.reports
        self.inbound += heard.inbound
        return web.Response(status=heard.answer.status, body=heard.answer.body, content_type=heard.answer.content_type)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/callbacks/sms_kannel/{secret}", self.called)
        async with TestServer(app, port=9000):
            yield

    def fates(self, message: Message) -> set[Fate]:
        return {each.receipt.fate for each in self.reports if each.key == message.key}


@dataclass
class Story:
    kannel: kannel_peer.Kannel
    hub: Hub
    place: ChannelContext

    def other(self, **options: Any) -> Kannel:
        channel = connect({**OPTIONS, **options}, self.place)
        assert isinstance(channel, Kannel)
        return channel


@contextlib.asynccontextmanager
async def begun(folder: Path) -> AsyncIterator[Story]:
    async with aiohttp.ClientSession() as http:
        place = ChannelContext("sms_kannel", CALLBACKS, http, MemoryLedger(), lambda: datetime.now(UTC))
        channel = connect(OPTIONS, place)
        assert isinstance(channel, Kannel)
        hub, kannel = Hub(channel), kannel_peer.Kannel(folder, f"{CALLBACKS}/{SECRET}")
        async with hub.serving(), kannel.serving():
            yield Story(kannel, hub, place)


def message(text: str, to: str = PHONE) -> Message:
    key = f"step-{uuid4()}-2026-12-01T00:00:00+00:00-reminder-1"
    return Message(key, to, "reminder", "zh", text, "reminder", {}, datetime.now(UTC))


@pytest.mark.real
def test_messages_arrive_and_their_reports_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with begun(tmp_path) as told:
            for text in (CHINESE, "Please sign: £5, é, {1}"):
                sent, before = message(text), len(told.kannel.arrived())
                receipt = await told.hub.channel.send(sent)
                assert (receipt.fate, receipt.detail) == (Fate.ACCEPTED, "")
                await until(lambda: Fate.DELIVERED in told.hub.fates(sent))  # noqa: B023 (awaited here)
                await until(lambda: len(told.kannel.arrived()) > before)  # noqa: B023 (awaited here)
                assert told.kannel.arrived()[before:] == [(SENDER, PHONE, text)]

    in_namespace(story)


@pytest.mark.real
def test_a_long_message_arrives_whole(tmp_path: Path) -> None:
    async def story() -> None:
        async with begun(tmp_path) as told:
            sent = message(LONG)
            await told.hub.channel.send(sent)
            await until(lambda: Fate.DELIVERED in told.hub.fates(sent))
            await until(lambda: "".join(text for _, _, text in told.kannel.arrived()) == LONG)
            assert len(told.kannel.arrived()) > 2

    in_namespace(story)


@pytest.mark.real
def test_what_people_answer_is_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with begun(tmp_path) as told:
            for number, (sender, words, text) in enumerate(WRITTEN, start=1):
                told.kannel.write(f"{sender} {SENDER} {words}")
                await until(lambda: len(told.hub.inbound) == number)  # noqa: B023 (awaited here)
                heard = told.hub.inbound[-1]
                assert (heard.sender, heard.text) == (f"+{sender.lstrip('+0')}", text)
            assert len({each.reference for each in told.hub.inbound}) == 3
            assert all(abs(datetime.now(UTC) - each.at).total_seconds() < 60 for each in told.hub.inbound if each.at)
            assert not told.kannel.arrived(), "nobody is answered by the gateway itself"

    in_namespace(story)


@pytest.mark.real
def test_each_refusal_is_called_by_its_name(tmp_path: Path) -> None:
    async def story() -> None:
        async with begun(tmp_path) as told:
            for options in ({"password": "wrong"}, {"url": SENDSMS.replace("sendsms", "sendfax")}, {"sender": ""}):
                with pytest.raises(AccountTrouble):
                    await told.other(**options).send(message(CHINESE))
            with pytest.raises(MessageRefused) as refused:
                await told.hub.channel.send(message(CHINESE, f"{UNROUTABLE}5550100"))
            assert refused.value.failure is Failure.ADDRESS
            told.kannel.stop("smsbox")
            with pytest.raises(NotNow) as closed:
                await told.hub.channel.send(message(CHINESE))
            assert type(closed.value) is NotNow
            assert not told.kannel.arrived()

    in_namespace(story)


@pytest.mark.real
def test_nothing_is_lost_while_the_network_or_the_hub_is_away(tmp_path: Path) -> None:
    async def story() -> None:
        async with begun(tmp_path) as told:
            await told.kannel.stop_centre()
            sent = message(CHINESE)
            receipt = await told.hub.channel.send(sent)
            assert (receipt.fate, receipt.detail) == (Fate.ACCEPTED, "queued")
            told.hub.away = True
            await told.kannel.start_centre()
            await until(lambda: told.hub.turned_away > 0)
            told.hub.away = False
            await until(lambda: Fate.DELIVERED in told.hub.fates(sent))
            await until(lambda: bool(told.kannel.arrived()))
            assert told.kannel.arrived() == [(SENDER, PHONE, CHINESE)]

    in_namespace(story)
