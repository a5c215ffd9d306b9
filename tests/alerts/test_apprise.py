"""Staff are notified through Apprise addresses. Whatever goes wrong, no part of an address is logged or shown."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hub.alerts import Addressee, NotDelivered, Notice, apprise as adapter
from tests.alerts.hook import dead_address, hook

NOTICE = Notice("签达告警: 服务商已停用", "twilio: the account is suspended\nhttps://sign.example.org/staff/tasks")


@contextlib.contextmanager
def connected(*urls: str) -> Iterator[tuple[Addressee, ...]]:
    addressees, close = adapter.connect(
        urls, "https://sign.example.org", lambda url: hashlib.md5(url.encode()).hexdigest()
    )
    try:
        yield addressees
    finally:
        close()


async def test_a_notice_arrives_as_it_was_written() -> None:
    async with hook() as there:
        with connected(there.url) as (addressee,):
            await addressee.tell(NOTICE)
            await addressee.tell(NOTICE)  # at once: there is no pause between two messages
    (first, second) = there.accepted
    assert first == second and first["title"] == NOTICE.title and first["message"] == NOTICE.text
    assert first["type"] == "warning"


async def test_what_is_not_taken_is_said_without_the_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with hook() as there:
        there.status = 500
        for url in (there.url, dead_address()):
            with connected(url) as (addressee,), pytest.raises(NotDelivered) as told:
                await addressee.tell(NOTICE)
            seen = repr(addressee) + str(told.value) + repr(told.value.__cause__) + addressee.kind
            assert "s3cr3t" not in seen and addressee.kind == "json"
        assert there.refused == 1
    assert "s3cr3t" not in "".join(
        f"{each.name} {each.getMessage()}" for each in caplog.records if each.name == "apprise"
    )
    output = capfd.readouterr()
    assert "s3cr3t" not in output.out + output.err


async def test_an_address_that_says_nothing_is_left_alone() -> None:
    async with hook() as there:
        there.held = asyncio.Event()
        with connected(there.url) as (addressee,):
            assert isinstance(addressee, adapter.AppriseAddress)
            with pytest.raises(NotDelivered, match="no answer in time"):
                await replace(addressee, timeout=0.2).tell(NOTICE)


@pytest.mark.parametrize("url", ["nonsense://s3cr3t-password@x", "s3cr3t", "mailto://", ""])
def test_a_wrong_address_is_refused_by_its_number(url: str) -> None:
    with (
        pytest.raises(ValueError, match="address 2 is none that Apprise knows") as refused,
        connected("json://127.0.0.1:1/", url),
    ):
        pass
    assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("wecombot://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa", "wecombot"),
        ("dingtalk://" + "a" * 64, "dingtalk"),
        ("feishu://" + "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f", "feishu"),
        ("mailtos://clerk:s3cr3t@mail.example.org/?to=duty@example.org", "mailtos"),
    ],
)
def test_the_chats_of_staff_and_mail_are_known(url: str, kind: str) -> None:
    with connected(url) as (addressee,):
        assert addressee.kind == kind and "s3cr3t" not in repr(addressee)
