"""What only Twilio does: its error codes, its lists, and its double as a program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import string
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from channels import (
    AccountTrouble,
    BadOptions,
    CannotAsk,
    ChannelError,
    Failure,
    Fate,
    MessageRefused,
    NotNow,
    ReplyLost,
)
from channels.twilio_http import convert_error, encode_form
from tests.channels.conformance import Setting, account, at_place
from tests.channels.doubles import Trouble, sms_twilio
from tests.channels.doubles.twilio import RETRY_AFTER

ROOT = Path(__file__).parents[2]


# ---- answers


@pytest.mark.parametrize(
    ("status", "code", "kind", "failure"),
    [
        (400, 21211, MessageRefused, Failure.ADDRESS),
        (400, 21614, MessageRefused, Failure.ADDRESS),
        (400, 21610, MessageRefused, Failure.OPTED_OUT),
        (400, 21617, MessageRefused, Failure.CONTENT),
        (400, 30007, MessageRefused, Failure.FILTERED),
        (400, 21408, MessageRefused, Failure.OTHER),
        (400, 21611, NotNow, None),
        (400, 30003, NotNow, None),
        (401, 20003, AccountTrouble, None),
        (401, None, AccountTrouble, None),
        (403, 20003, AccountTrouble, None),
        (400, 21603, AccountTrouble, None),
        (400, 30002, AccountTrouble, None),
        (404, 20404, AccountTrouble, None),
        (403, 403, ReplyLost, None),
        (408, 408, ReplyLost, None),
        (302, 302, ReplyLost, None),
    ],
)
def test_each_code_of_twilio_has_its_meaning(
    status: int, code: int | None, kind: type[ChannelError], failure: Failure | None
) -> None:
    error = convert_error(status, code)
    assert type(error) is kind
    assert getattr(error, "failure", None) is failure


async def test_too_many_requests_say_when_to_come_back(sms: Setting) -> None:
    sms.double.trouble.append(Trouble.BUSY)
    with pytest.raises(NotNow) as caught:
        await sms.channel.send(sms.message())
    assert caught.value.retry_after == timedelta(seconds=RETRY_AFTER)


async def test_one_sending_is_one_request_also_on_a_connection_that_was_left_open(sms: Setting) -> None:
    await sms.channel.send(sms.message())
    sms.double.trouble.append(Trouble.LOSE_REPLY)
    with pytest.raises(ReplyLost):
        await sms.channel.send(sms.message())
    assert account(sms).requests == len(sms.double.accepted) == 2


async def test_a_text_arrives_as_it_was_written(sms: Setting) -> None:
    text = f"【启明学校】{string.printable}😀\x01 %41 & To=+15005550009; é"
    receipt = await sms.channel.send(sms.message(text=text))
    assert account(sms).resources[receipt.reference].form["Body"] == text


def test_no_separator_of_a_form_stands_in_a_value() -> None:
    form = encode_form({"Body": "a&b;c=d+e f", "MediaUrl": ["1", "2;3"], "Empty": ""})
    assert form == b"Body=a%26b%3Bc%3Dd%2Be+f&MediaUrl=1&MediaUrl=2%3B3&Empty="
    assert encode_form(None) is None


async def test_where_the_requests_go_does_not_depend_on_the_environment(
    sms: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    await sms.connect().send(sms.message())
    assert len(sms.double.accepted) == 1


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=201, text="<html>", content_type="text/html"),
        web.json_response({}, status=201),
        web.json_response([], status=201),
        web.json_response({"sid": "1", "status": "queued"}, status=201),
        web.json_response({"sid": "SM" + "0" * 32, "status": "dancing"}, status=201),
        web.Response(status=201, body=b"\xff\xfe", content_type="application/json"),
        web.Response(status=302, headers={"Location": "https://evil.example"}),
        web.json_response({"type": "t", "title": "t", "status": "?", "code": "?"}, status=400),
    ],
)
async def test_an_unreadable_answer_is_none(sms: Setting, answer: web.Response) -> None:
    async with answering(answer) as url:
        channel = sms.connect(base_url=url)
        with pytest.raises(ReplyLost):
            await channel.send(sms.message())
        with pytest.raises(CannotAsk):
            await channel.find(sms.message())
        with pytest.raises(CannotAsk):
            await channel.find(sms.message(), "SM" + "0" * 32)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (web.json_response({"code": 21211, "status": 400}, status=400), MessageRefused),
        (web.json_response({"code": [21211]}, status=400), ReplyLost),
        (web.json_response([21211], status=400), ReplyLost),
        (web.Response(status=403, text="21211"), ReplyLost),
        (web.Response(status=403, text="<html>"), ReplyLost),
        (web.Response(status=401, text="<html>"), AccountTrouble),
    ],
)
async def test_only_an_answer_with_a_code_of_twilio_refuses_a_message(
    sms: Setting, answer: web.Response, kind: type[ChannelError]
) -> None:
    async with answering(answer) as url:
        with pytest.raises(ChannelError) as caught:
            await sms.connect(base_url=url).send(sms.message())
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"error": []}),
        (200, {"messages": "none", "next_page_uri": None}),
        (200, {"messages": [{"body": "x"}], "next_page_uri": None}),
        (404, {"code": 20404, "message": "", "status": 404}),
        (429, {"code": 20429, "message": "", "status": 429}),
        (500, {"messages": [], "next_page_uri": None}),
    ],
)
async def test_only_a_whole_list_says_that_a_message_is_not_there(
    sms: Setting, status: int, body: Mapping[str, Any]
) -> None:
    async with answering(web.json_response(body, status=status)) as url:
        with pytest.raises(CannotAsk):
            await sms.connect(base_url=url).find(sms.message())
    async with answering(web.json_response({"messages": [], "next_page_uri": None})) as url:
        assert await sms.connect(base_url=url).find(sms.message()) is None


@contextlib.asynccontextmanager
async def answering(answer: web.Response) -> AsyncIterator[str]:
    """Run a server that gives the same answer to everything. Yields its address."""

    async def answered(request: web.Request) -> web.Response:
        return web.Response(
            status=answer.status, body=answer.body, headers={"Content-Type": answer.headers.get("Content-Type", "")}
        )

    runner = web.ServerRunner(web.Server(answered))  # type: ignore[arg-type]  # a handler may get the base of requests
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# ---- asking about a message


async def test_a_reminder_of_last_week_with_the_same_words_is_not_this_one(sms: Setting) -> None:
    last_week = sms.message()
    await sms.channel.send(last_week)
    today = sms.message(at=datetime.now(UTC) + timedelta(days=7))
    assert await sms.channel.find(today) is None
    assert await sms.channel.find(last_week)


async def test_another_text_to_the_same_number_is_not_this_one(sms: Setting) -> None:
    await sms.channel.send(sms.message(text="another"))
    assert await sms.channel.find(sms.message()) is None


async def test_the_search_goes_through_all_pages_of_its_time(sms: Setting) -> None:
    account(sms).page = 2
    message = sms.message()
    await sms.channel.send(message)
    for number in range(6):
        await sms.channel.send(sms.message(text=f"later {number}"))
    found = await sms.channel.find(message)
    assert found and found.reference == sms.double.accepted[0].reference


async def test_a_message_still_in_the_queue_is_found_and_its_end_too(sms: Setting) -> None:
    message = sms.message()
    receipt = await sms.channel.send(message)
    found = await sms.channel.find(message)
    assert found and found.fate is Fate.ACCEPTED
    for status, code in (("sending", None), ("sent", None), ("undelivered", 30005)):
        account(sms).advance(receipt.reference, status, code)
    for reference in ("", receipt.reference):
        found = await sms.channel.find(message, reference)
        assert found and (found.fate, found.failure) == (Fate.UNDELIVERED, Failure.ADDRESS)


async def test_words_before_the_text_as_a_trial_account_puts_them_do_not_hide_it(sms: Setting) -> None:
    message = sms.message()
    await sms.channel.send(replace(message, text="Sent from your Twilio trial account - " + message.text))
    assert await sms.channel.find(message)


async def test_a_text_that_twilio_does_not_keep_leaves_it_open(sms: Setting) -> None:
    receipt = await sms.channel.send(sms.message())
    resource = account(sms).resources[receipt.reference]
    resource.form = {**resource.form, "Body": ""}
    with pytest.raises(CannotAsk):
        await sms.channel.find(sms.message())


async def test_an_unknown_reference_is_not_there(sms: Setting) -> None:
    assert await sms.channel.find(sms.message(), "SM" + "0" * 32) is None


async def test_a_reference_of_another_form_is_never_part_of_an_address(sms: Setting) -> None:
    assert await sms.channel.find(sms.message(), "../Calls") is None
    assert account(sms).requests == 0


# ---- configuration, and the double as a program


@pytest.mark.parametrize(
    "wrong", [{"sender": None}, {"messaging_service": "MG" + "0" * 32}, {"account": "AC1"}, {"sender": "+15 5"}]
)
async def test_options_that_do_not_go_together_are_refused(sms: Setting, wrong: Mapping[str, Any]) -> None:
    with pytest.raises(BadOptions, match=re.compile("|".join(wrong))):
        sms.connect(**wrong)


async def test_a_messaging_service_may_choose_the_sender(sms: Setting) -> None:
    await sms.connect(sender=None, messaging_service="MG" + "0" * 32).send(sms.message())
    (resource,) = account(sms).resources.values()
    assert "From" not in resource.form and resource.form["MessagingServiceSid"].startswith("MG")


async def test_it_carries_to_no_number_of_mainland_china(sms: Setting) -> None:
    assert sms.channel.rules.shapes_for("+8619000000101") == ()
    assert sms.channel.rules.shapes_for("+85290000000")


async def test_the_double_is_a_program_that_loses_replies_and_keeps_a_ledger(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.channels.doubles.sms_twilio",
        "--ledger",
        str(ledger),
        "--lose",
        "0.3",
        "--seed",
        "1",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    url = (await asyncio.wait_for(process.stdout.readline(), 120)).decode().strip()
    double = sms_twilio.Double(url=url)
    lost = 0
    async with at_place("sms_twilio", double) as setting:
        for number in range(20):
            message = setting.message(to=f"+4477009001{number:02}")
            try:
                await setting.channel.send(message)
            except ReplyLost:
                lost += 1
                assert await setting.channel.find(message)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0
    lines = [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]
    assert sum(line["what"] == "accepted" for line in lines) == 20
    assert 0 < lost < 20
    assert sum(line["what"] == "reply lost" for line in lines) == lost
