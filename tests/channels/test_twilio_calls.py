"""Twilio's callbacks: reports, their signature, and what people write. STOP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import (
    CallbackContent,
    CallbackRequest,
    Failure,
    Fate,
    MessageRefused,
    NotGenuine,
)
from channels.sms_twilio import EMPTY_ANSWER
from tests.channels.conformance import Setting, account
from tests.channels.doubles import sms_twilio
from tests.channels.doubles.twilio import ACCOUNT, signed


@contextlib.asynccontextmanager
async def hearing(setting: Setting, answers: list[int] | None = None) -> AsyncIterator[list[CallbackContent]]:
    """Run a server that collects what the double reports. It answers with the statuses in `answers`, then with 204."""
    heard: list[CallbackContent] = []
    told = answers or []

    async def listen(request: web.Request) -> web.Response:
        origin = setting.place.callbacks.removesuffix(urlsplit(setting.place.callbacks).path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = CallbackRequest(
            request.method, origin + request.raw_path, request.raw_path, headers, await request.read()
        )
        if told:
            return web.Response(status=told.pop(0))
        try:
            heard.append(setting.reporting.read(call))
        except NotGenuine:
            return web.Response(status=403)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_route("*", "/{any:.*}", listen)
    async with TestServer(application) as server:
        account(setting).callbacks = f"http://127.0.0.1:{server.port}"
        yield heard


async def test_every_step_is_reported_to_the_address_with_our_key(sms: Setting) -> None:
    message = sms.message(key="0123:last-call/&=?#")
    async with hearing(sms) as heard:
        receipt = await sms.channel.send(message)
        assert await account(sms).finish(receipt.reference, "delivered") == [204, 204, 204]
    reports = [each.reports[0] for each in heard]
    assert [each.receipt.fate for each in reports] == [Fate.ACCEPTED, Fate.ACCEPTED, Fate.DELIVERED]
    assert {(each.key, each.receipt.reference, each.to) for each in reports} == {
        (message.key, receipt.reference, message.to)
    }


async def test_a_report_may_come_before_the_answer(sms: Setting) -> None:
    account(sms).delay, account(sms).deliver = 0.3, True
    async with hearing(sms) as heard:
        sending = asyncio.create_task(sms.channel.send(message := sms.message()))
        async with asyncio.timeout(60):
            while not heard:
                await asyncio.sleep(0.01)
        assert not sending.done()
        assert heard[0].reports[0].key == message.key
        await sending


async def test_a_report_that_we_could_not_take_comes_again(sms: Setting) -> None:
    async with hearing(sms, answers=[503, 500]) as heard:
        receipt = await sms.channel.send(sms.message())
        assert await account(sms).call_back(receipt.reference, "sent") == 204
    assert len(heard) == 1


async def test_doubled_and_late_reports_say_what_they_say(sms: Setting) -> None:
    async with hearing(sms) as heard:
        receipt = await sms.channel.send(sms.message())
        for status in ("delivered", "sent", "delivered", "queued"):
            await account(sms).call_back(receipt.reference, status)
    fates = [each.reports[0].receipt.fate for each in heard]
    assert fates == [Fate.DELIVERED, Fate.ACCEPTED, Fate.DELIVERED, Fate.ACCEPTED]


@pytest.mark.parametrize(
    ("status", "code", "fate", "failure"),
    [
        ("sent", None, Fate.ACCEPTED, None),
        ("delivered", None, Fate.DELIVERED, None),
        ("undelivered", 30003, Fate.UNDELIVERED, Failure.TRANSIENT),
        ("undelivered", 30005, Fate.UNDELIVERED, Failure.ADDRESS),
        ("undelivered", 30006, Fate.UNDELIVERED, Failure.ADDRESS),
        ("undelivered", 30007, Fate.UNDELIVERED, Failure.FILTERED),
        ("undelivered", 30008, Fate.UNDELIVERED, Failure.TRANSIENT),
        ("failed", 21610, Fate.UNDELIVERED, Failure.OPTED_OUT),
        ("failed", None, Fate.UNDELIVERED, Failure.OTHER),
        ("canceled", None, Fate.UNDELIVERED, Failure.OTHER),
    ],
)
async def test_each_status_has_its_meaning(
    sms: Setting, status: str, code: int | None, fate: Fate, failure: Failure | None
) -> None:
    receipt = await sms.channel.send(sms.message())
    call = account(sms).status_call(account(sms).resources[receipt.reference], status, code)
    (report,) = sms.reporting.read(call).reports
    assert (report.receipt.fate, report.receipt.failure) == (fate, failure)
    assert report.receipt.detail == (f"{status}, code {code}" if code else status)


async def test_a_genuine_signature_says_nothing_at_another_address_or_for_another_account(sms: Setting) -> None:
    receipt = await sms.channel.send(sms.message())
    fields = {
        "AccountSid": ACCOUNT,
        "MessageSid": receipt.reference,
        "MessageStatus": "delivered",
        "To": "+447700900101",
    }
    status = f"{sms.place.callbacks}?key=1"
    assert sms.hear(signed(status, fields))
    assert sms.hear(signed(status, {**fields, "ANewField": "x"})), "what Twilio adds one day is ignored"
    for url in ("", "?key=", "?key=1&key=2", "?key=1&more=2", "/?key=1", "/inbound", "/inbound?key=1", "?other=1"):
        assert not sms.hear(signed(sms.place.callbacks + url, fields)), url
    for changes in (
        {"AccountSid": "AC" + "1" * 32},
        {"To": "+1 555"},
        {"MessageStatus": "received"},
        {"MessageSid": "CA" + "0" * 32},
        {"ErrorCode": "x"},
        {"ANewField": "xErrorCode30003"},
        {"XErrorCode30003From": "x"},
        {"X" * 50: ""},
    ):
        assert not sms.hear(signed(status, {**fields, **changes})), changes
    for name in fields:
        assert not sms.hear(signed(status, {other: value for other, value in fields.items() if other != name})), name
    assert not sms.hear(replace(signed(status, fields), method="GET"))


# ---- what people write


async def test_after_stop_nothing_goes_out_until_start(sms: Setting) -> None:
    to = sms.message().to
    async with hearing(sms) as heard:
        inbound = f"{sms.place.callbacks}/inbound"
        assert isinstance(sms.double, sms_twilio.Double)
        assert await sms.double.write(to, "Stop", inbound) == 204
        with pytest.raises(MessageRefused) as caught:
            await sms.channel.send(sms.message())
        assert caught.value.failure is Failure.OPTED_OUT
        assert await sms.double.write(to, "START", inbound) == 204
        await sms.channel.send(sms.message())
    assert [each.inbound[0].text for each in heard] == ["Stop", "START"]
    assert all(each.answer == EMPTY_ANSWER for each in heard)


async def test_a_text_stays_one_whatever_stands_in_it(sms: Setting) -> None:
    for text in ("", " ", "To+15550000000", "a&From=+1555", "退订\n😀", "ErrorCode30003"):
        call = sms.double.written("+447700900101", text, sms.place)
        assert call
        (written,) = sms.reporting.read(call).inbound
        assert (written.text, written.sender) == (text, "+447700900101")
