"""What is special about `sms_kannel`. What it shares with every channel is in test_conformance."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from channels import (
    AccountTrouble,
    BadOptions,
    CallbackRequest,
    CannotAsk,
    ChannelContext,
    ChannelError,
    Failure,
    Fate,
    Message,
    MessageRefused,
    NotGenuine,
    NotNow,
    ReplyLost,
)
from channels.sms_kannel import Kannel, connect
from tests.channels.doubles import Trouble
from tests.channels.doubles.sms_kannel import SECRET, Double

MOMENT = datetime(2026, 12, 1, tzinfo=UTC)
KEY = "step-5f0c-2026-12-01T00:00:00+00:00-reminder-1/é"
MESSAGE = Message(KEY, "+8619000000101", "reminder", "zh", "您有一份合同待签署", "reminder", {}, MOMENT)


class Ledger:
    async def accept(self, key: str) -> None: ...

    async def accepted(self, key: str) -> bool:
        return False


@pytest.fixture
async def place() -> AsyncIterator[ChannelContext]:
    async with aiohttp.ClientSession() as http:
        yield ChannelContext("kannel", "https://hub.example.org/callbacks/kannel", http, Ledger(), lambda: MOMENT)


def connected(double: Double, place: ChannelContext, **options: Any) -> Kannel:
    channel = connect({**double.options(), **options}, place)
    assert isinstance(channel, Kannel)
    return channel


def call(query: str, secret: str = SECRET, method: str = "GET") -> CallbackRequest:
    path = f"/callbacks/kannel/{secret}?{query}"
    return CallbackRequest(method, f"https://hub.example.org{path}", path, {}, b"")


@pytest.mark.parametrize(
    ("text", "coding"),
    [("您有一份合同待签署：https://x.cn/s/7F", "2"), ("Please sign: £5, é, {1}, €", "0"), ("Naïve", "2")],
)
async def test_what_seven_bits_cannot_say_goes_as_ucs_2(
    double: Double, place: ChannelContext, text: str, coding: str
) -> None:
    await connected(double, place).send(replace(MESSAGE, text=text))
    assert double.headers[0]["X-Kannel-Coding"] == coding
    if coding == "2":
        assert double.accepted[0].text == text


async def test_the_key_comes_back_as_it_was_with_every_report(double: Double, place: ChannelContext) -> None:
    channel = connected(double, place)
    await channel.send(MESSAGE)
    assert double.accepted[0].key == KEY
    arrived = double.reported(double.accepted[0], Fate.DELIVERED, place)
    assert arrived
    (report,) = channel.read(arrived).reports
    assert (report.key, report.receipt.fate) == (KEY, Fate.DELIVERED)
    assert channel.read(replace(arrived, method="POST")).reports == (report,)


async def test_sender_and_smsc_are_sent_only_where_they_are_configured(double: Double, place: ChannelContext) -> None:
    await connected(double, place, smsc="campus").send(MESSAGE)
    await connected(double, place, sender="", receipts=False).send(MESSAGE)
    first, second = double.headers
    assert (first["X-Kannel-From"], first["X-Kannel-SMSC"], first["X-Kannel-DLR-Mask"]) == ("10690000", "campus", "19")
    assert not {"X-Kannel-From", "X-Kannel-SMSC", "X-Kannel-DLR-Mask", "X-Kannel-DLR-URL"} & second.keys()
    assert not connected(double, place, receipts=False).rules.receipts


@pytest.mark.parametrize(
    ("status", "text", "error", "failure"),
    [
        (400, "Number(s) has/have been denied by white- and/or black-lists.", MessageRefused, Failure.ADDRESS),
        (400, "Empty receiver number not allowed, rejected", MessageRefused, Failure.ADDRESS),
        (400, "Charset or body misformed, rejected", MessageRefused, Failure.CONTENT),
        (400, "Sender missing and no global set, rejected", AccountTrouble, None),
        (404, "Unknown request.", AccountTrouble, None),
        (500, "Sending failed. +8619000000101", ReplyLost, None),
        (503, "<html>no backend</html>", ReplyLost, None),
        (200, "welcome to the portal", ReplyLost, None),
        (202, "\udcff", ReplyLost, None),
        (301, "elsewhere", ReplyLost, None),
    ],
)
async def test_each_answer_means_what_it_says(
    double: Double, place: ChannelContext, status: int, text: str, error: type[ChannelError], failure: Failure | None
) -> None:
    double.answer = (status, text.encode("utf-8", "replace").decode())
    with pytest.raises(error) as raised:
        await connected(double, place).send(MESSAGE)
    assert type(raised.value) is error and "861900" not in str(raised.value)
    if isinstance(raised.value, MessageRefused):
        assert raised.value.failure is failure


@pytest.mark.parametrize(("text", "detail"), [("3: Queued for later delivery", "queued"), ("Sent.", "")])
async def test_what_the_gateway_keeps_is_accepted(
    double: Double, place: ChannelContext, text: str, detail: str
) -> None:
    double.answer = (202, text)
    receipt = await connected(double, place).send(MESSAGE)
    assert (receipt.fate, receipt.detail) == (Fate.ACCEPTED, detail)


async def test_where_nobody_listens_nothing_was_taken(double: Double, place: ChannelContext) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/cgi-bin/sendsms"
        with pytest.raises(NotNow) as raised:
            await connected(double, place, url=url).send(MESSAGE)
    assert not isinstance(raised.value, AccountTrouble)


async def test_a_lost_reply_is_not_followed_by_a_second_request(double: Double, place: ChannelContext) -> None:
    channel = connected(double, place)
    double.trouble = [Trouble.LOSE_REPLY]
    with pytest.raises(ReplyLost):
        await channel.send(MESSAGE)
    assert len(double.headers) == len(double.accepted) == 1
    with pytest.raises(CannotAsk):
        await channel.find(MESSAGE)


@pytest.mark.parametrize("to", ["19000000101", "+86 190", "a@b.cn", "+861900000\r\nX-Kannel-To: +1"])
async def test_only_international_numbers_leave(double: Double, place: ChannelContext, to: str) -> None:
    with pytest.raises(MessageRefused) as raised:
        await connected(double, place).send(replace(MESSAGE, to=to))
    assert raised.value.failure is Failure.ADDRESS and not double.headers


@pytest.mark.parametrize(
    ("value", "reply", "failure", "detail"),
    [
        (
            "2",
            "id:1 sub:001 stat:EXPIRED err:027 text:+86190",
            Failure.TRANSIENT,
            "dlr 2 stat EXPIRED err 027",
        ),
        ("2", "id:1 stat:UNDELIV err:001 text:stat:", Failure.OTHER, "dlr 2 stat UNDELIV err 001"),
        ("16", "NACK/11/Invalid Destination Address", Failure.ADDRESS, "dlr 16 nack 11"),
        ("16", "NACK/88/Throttling error", Failure.TRANSIENT, "dlr 16 nack 88"),
        ("16", "REJECTED", Failure.OTHER, "dlr 16"),
        ("34", "", Failure.TRANSIENT, "dlr 34"),
        ("66", "\u5f20\u4e09 +8619000000101", Failure.OTHER, "dlr 66"),
    ],
)
async def test_a_report_says_why_and_names_nobody(
    double: Double, place: ChannelContext, value: str, reply: str, failure: Failure, detail: str
) -> None:
    channel = connected(double, place)
    await channel.send(MESSAGE)
    (report,) = channel.read(double.reporting(double.accepted[0], value, reply)).reports
    assert report.receipt.fate is Fate.UNDELIVERED
    assert (report.receipt.failure, report.receipt.detail) == (failure, detail)


@pytest.mark.parametrize(
    ("query", "sender", "text"),
    [
        ("sender=8619000000101&text=STOP+now&charset=UTF-8", "+8619000000101", "STOP now"),
        ("sender=%2B8619000000101&text=%90%00%8B%A2&charset=UTF-16BE", "+8619000000101", "退订"),
        ("sender=%2B447700900123&text=caf%E9&charset=WINDOWS-1252", "+447700900123", "café"),
    ],
)
async def test_an_answer_is_read_in_its_own_charset(
    double: Double, place: ChannelContext, query: str, sender: str, text: str
) -> None:
    for method in ("GET", "POST"):
        heard = connected(double, place).read(
            call(f"{query}&id=74473687-2251-4e8a-be6f-046564db6d45&at=1795548597", method=method)
        )
        (inbound,) = heard.inbound
        assert (inbound.sender, inbound.text) == (sender, text)
        assert inbound.reference == "74473687-2251-4e8a-be6f-046564db6d45"
        assert inbound.at == datetime.fromtimestamp(1795548597, UTC)
        assert (heard.answer.status, heard.answer.body) == (200, b"")


@pytest.mark.parametrize(
    "query", ["sender=10086&text=hello&charset=UTF-8", "sender=%2B8619000000101&text=%00%01&charset=8-BIT"]
)
async def test_short_codes_and_binary_messages_say_nothing(double: Double, place: ChannelContext, query: str) -> None:
    heard = connected(double, place).read(call(f"{query}&id=74473687-2251-4e8a-be6f-046564db6d45&at=1795548597"))
    assert not heard.inbound and heard.answer.status == 200


@pytest.mark.parametrize(
    "query",
    [
        "",
        "key=a",
        "key=a&report=3&reply=",
        "key=a&report=1&reply=&more=1",
        "key=a&key=b&report=1&reply=",
        "key=&report=1&reply=",
        "key=a&report=%d&reply=",
        "key=a&report=-1&reply=",
        "key=a&report=1",
        "key=a%00&report=1&reply=",
        "sender=%2B8619000000101&text=x&charset=KLINGON&id=74473687-2251-4e8a-be6f-046564db6d45&at=1",
        "sender=%2B8619000000101&text=%FF&charset=UTF-8&id=74473687-2251-4e8a-be6f-046564db6d45&at=1",
        "sender=%2B8619000000101&text=x&charset=UTF-8&id=%I&at=1",
        "sender=%2B8619000000101&text=x&charset=UTF-8&id=74473687-2251-4e8a-be6f-046564db6d4&at=1",
        "sender=%2B8619000000101&text=x&charset=UTF-8&id=74473687-2251-4e8a-be6f-046564db6d45&at=tomorrow",
        "&".join(f"p{number}=1" for number in range(50)),
    ],
)
async def test_what_kannel_would_not_call_is_not_genuine(double: Double, place: ChannelContext, query: str) -> None:
    channel = connected(double, place)
    with pytest.raises(NotGenuine):
        channel.read(call(query))


async def test_a_secret_is_changed_without_losing_receipts_of_messages_that_named_the_former(
    double: Double, place: ChannelContext
) -> None:
    channel = connected(double, place, callback_secret="a-new-secret-of-the-path", callback_secret_former=SECRET)
    for secret in (SECRET, "a-new-secret-of-the-path"):
        (report,) = channel.read(call("key=a&report=1&reply=", secret)).reports
        assert report.key == "a"
    with pytest.raises(NotGenuine):
        channel.read(call("key=a&report=1&reply=", "another-secret-of-the-path"))


@pytest.mark.parametrize("secret", ["", "another-secret-of-the-path", SECRET[:-1], f"{SECRET}/", "é"])
async def test_nobody_is_heard_without_the_secret(double: Double, place: ChannelContext, secret: str) -> None:
    with pytest.raises(NotGenuine):
        connected(double, place).read(call("key=a&report=1&reply=", secret))
    with pytest.raises(NotGenuine):
        connected(double, place).read(call("key=a&report=1&reply=", method="PUT"))


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"url": "nowhere"}, "url"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"callback_secret": "a/secret/with/slashes"}, "callback_secret"),
        ({"deadline": 60}, "deadline"),
        ({"usrname": "x"}, "usrname"),
    ],
)
async def test_wrong_options_are_named_without_their_value(
    double: Double, place: ChannelContext, wrong: dict[str, Any], key: str
) -> None:
    with pytest.raises(BadOptions, match=f"channels.kannel: {key}") as raised:
        connect({**double.options(), **wrong}, place)
    assert str(next(iter(wrong.values()))) not in str(raised.value) or key in ("deadline", "usrname")


async def test_a_path_that_is_no_text_is_refused_like_any_other(double: Double, place: ChannelContext) -> None:
    with pytest.raises(NotGenuine):
        connected(double, place).read(call("", secret="\udcff"))
