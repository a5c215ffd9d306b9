"""The page about our messages: how each reads, how long it is, and what it costs at which provider."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

import pytest

from channels import Message, Receipt, Rules, Shape
from hub.model.messaging.message import BY_SMS_ALONE, NOT_BY_VOICE, Purpose
from hub.model.messaging.provider import ProviderSettings
from hub.router.providers import Provider, ProviderSet
from hub.web.staff.labels import CHANNELS, PURPOSES
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Silent:
    """A provider that has rules and fails the test if it is called."""

    rules: Rules

    async def send(self, message: Message) -> Receipt:
        raise AssertionError("looking at messages sends none")

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        raise AssertionError("looking at messages asks nobody")


def configured(running: Running) -> None:
    path = Rules(shapes=(Shape.PATH,), prefix="【新航线教育】", variable_length=35)
    providers = [
        Provider(
            ProviderSettings("abroad", "x", "sms", segment_cost=0.0079, currency="USD"), Silent(Rules(most_segments=10))
        ),
        Provider(ProviderSettings("mainland", "x", "sms", languages=("zh",), segment_cost=0.045), Silent(path)),
        Provider(ProviderSettings("caller", "x", "voice", segment_cost=0.13), Silent(Rules())),
        Provider(ProviderSettings("post", "x", "email"), Silent(Rules())),
    ]
    running.hub.services.messaging.router.providers = ProviderSet(providers, random.random)


async def test_the_frame_leads_there(console: ConsoleBrowser) -> None:
    assert 'href="/staff/messages"' in (await console.get("/staff")).text


async def test_each_message_stands_there_in_both_languages(console: ConsoleBrowser) -> None:
    page = await console.get("/staff/messages")
    sections = re.split(r'<section class="purpose" id="([^"]+)">', page.text)[1:]
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    assert page.status == 200 and set(found) == {each.value for each in Purpose} and "{" not in page.words
    for purpose, section in found.items():
        assert PURPOSES[purpose] in section
        assert section.count('lang="zh-CN"') == section.count('lang="en"') > 0
        assert (f"<h3>{CHANNELS['voice']}" in section) is (Purpose(purpose) not in NOT_BY_VOICE | BY_SMS_ALONE)
        assert (f"<h3>{CHANNELS['email']}" in section) is (Purpose(purpose) not in BY_SMS_ALONE)


async def test_it_says_how_long_a_text_is(running: Running, console: ConsoleBrowser) -> None:
    words = (await console.get("/staff/messages?channel=sms&language=zh")).words
    text = re.search(r"新航线教育北京校区请您\d+月\d+日 18:00前签署合同 http://\S+/s/[0-9A-Z]{13}", words)
    assert text and f"{len(text[0])} characters · 1 segment" in words
    assert "please sign" not in words and CHANNELS["voice"] not in words.partition("Show")[2]


async def test_the_cost_is_that_of_each_provider_with_what_it_writes_before(
    running: Running, console: ConsoleBrowser
) -> None:
    configured(running)
    words = (await console.get("/staff/messages")).words
    assert re.search(r"mainland · text message · 中文 approved domain with ticket · begins with 【新航线教育】", words)
    assert "35 characters in a variable · 0.045 CNY a segment" in words
    assert "at most 10 segments · 0.0079 USD a segment" in words and "0.13 CNY a message" in words
    reminder = words.split("提醒您")[2]
    assert re.search(r"mainland: with 【新航线教育】 7\d characters · 2 segments · 0.09 CNY", reminder), (
        "the name in front makes it two"
    )
    assert "abroad: 0.0079 USD" in words and "caller: 0.13 CNY" in words and "post: no price configured" in words
    assert "No configured provider needs it." in words


async def test_without_providers_it_says_so(running: Running, console: ConsoleBrowser) -> None:
    running.hub.services.messaging.router.providers = ProviderSet([], random.random)
    assert "no messages can be sent" in (await console.get("/staff/messages")).words


async def test_it_is_for_staff_alone(running: Running) -> None:
    assert (await ConsoleBrowser(running).get("/staff/messages")).location.startswith("/staff/login")
