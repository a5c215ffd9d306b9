"""Calls by Twilio: what is said, and the fate of a call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from channels import Failure, Fate, MessageRefused
from channels.voice import twiml
from tests.channels.conformance import CODE, Setting, account, at_place
from tests.channels.doubles import voice
from tests.channels.doubles.twilio import ACCOUNT, signed


@pytest.fixture
async def calls() -> AsyncIterator[Setting]:
    double = voice.Double()
    async with double.serving(), at_place("voice", double) as setting:
        yield setting


async def test_a_code_is_read_twice_digit_by_digit(calls: Setting) -> None:
    await calls.channel.send(calls.message(language="en", text=f"Your code is {CODE}."))
    assert calls.double.accepted[0].text == "\n".join(2 * ["Your code is 4, 8, 2, 9, 1, 3."])
    (account_call,) = account(calls).resources.values()
    assert 'language="en-GB"' in account_call.form["Twiml"]


def test_a_reminder_is_read_once_and_no_word_of_it_is_markup(calls: Setting) -> None:
    words = twiml(calls.message(purpose="reminder", variables={}, text="请在 12-01 前签署 <Hangup/> & 其他"))
    assert 'language="zh-CN"' in words and 'loop="1"' in words
    assert "&lt;Hangup/&gt; &amp;" in words


async def test_what_is_too_long_for_a_call_is_refused_before_it_is_made(calls: Setting) -> None:
    with pytest.raises(MessageRefused) as caught:
        await calls.channel.send(calls.message(text="长" * 4000))
    assert caught.value.failure is Failure.CONTENT
    assert account(calls).requests == 0


@pytest.mark.parametrize(
    ("status", "sip", "more", "fate", "failure"),
    [
        ("in-progress", None, {}, Fate.ACCEPTED, None),
        ("completed", 200, {}, Fate.DELIVERED, None),
        ("completed", 200, {"AnsweredBy": "human"}, Fate.DELIVERED, None),
        ("completed", 200, {"AnsweredBy": "machine_start"}, Fate.UNDELIVERED, Failure.TRANSIENT),
        ("busy", 486, {}, Fate.UNDELIVERED, Failure.TRANSIENT),
        ("no-answer", 487, {}, Fate.UNDELIVERED, Failure.TRANSIENT),
        ("failed", 404, {}, Fate.UNDELIVERED, Failure.ADDRESS),
        ("failed", 503, {}, Fate.UNDELIVERED, Failure.OTHER),
    ],
)
async def test_each_end_of_a_call_has_its_meaning(
    calls: Setting, status: str, sip: int | None, more: Mapping[str, str], fate: Fate, failure: Failure | None
) -> None:
    receipt = await calls.channel.send(calls.message())
    resource = account(calls).resources[receipt.reference]
    fields = {"AccountSid": ACCOUNT, "To": resource.to, **account(calls).report(resource, status, sip), **more}
    (report,) = calls.reporting.read(signed(f"{calls.place.callbacks}?key=1", fields)).reports
    assert (report.receipt.fate, report.receipt.failure) == (fate, failure)


async def test_the_call_of_a_minute_ago_is_not_this_one(calls: Setting) -> None:
    await calls.channel.send(calls.message())
    assert await calls.channel.find(calls.message(at=datetime.now(UTC) + timedelta(seconds=45))) is None
