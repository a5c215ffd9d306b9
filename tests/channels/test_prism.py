"""What we send to Twilio, and what our double answers, checked against Twilio's own OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from bench.programs.ports import free_port
from channels import Fate, MessageRefused, ReplyLost
from tests.channels.conformance import Setting, at_place
from tests.channels.doubles import Trouble, sms_twilio, voice
from tests.channels.doubles.twilio import ACCOUNT, AUTH_TOKEN, TwilioAccount
from tests.channels.prism import description, proxy

pytestmark = pytest.mark.real
DOUBLES: dict[str, type[TwilioAccount]] = {"sms_twilio": sms_twilio.Double, "voice": voice.Double}


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Yield Prism's address, and the port at which it expects the double."""
    folder = tmp_path_factory.mktemp("prism")
    specification = folder / "twilio.json"
    specification.write_text(corrected(description("twilio_api_v2010.json").read_text("utf-8")), "utf-8")
    port = free_port()
    with proxy(specification, f"http://127.0.0.1:{port}", folder / "log") as url:
        yield url, port


def corrected(text: str) -> str:
    """Return the description with `uri-reference` for the addresses of its lists.

    It calls them `uri`, which has to be absolute; but in its own examples, and in Twilio's answers, they are relative.
    """

    def lenient(schema: dict[str, Any]) -> dict[str, Any]:
        relative = schema.get("format") == "uri" and schema.get("type") == "string" and "description" not in schema
        return {**schema, "format": "uri-reference"} if relative else schema

    return json.dumps(json.loads(text, object_hook=lenient))


@pytest.fixture(params=DOUBLES)
async def through(request: pytest.FixtureRequest, prism: tuple[str, int]) -> AsyncIterator[Setting]:
    """Yield a channel and a double whose requests and answers go through Prism."""
    url, port = prism
    double = DOUBLES[request.param]()
    async with double.serving(port):
        double.url = url
        async with at_place(request.param, double) as setting:
            yield setting


async def test_it_sends_and_finds_and_every_word_is_twilios(through: Setting) -> None:
    message = through.message()
    receipt = await through.channel.send(message)
    assert [each.reference for each in through.double.accepted] == [receipt.reference]
    found = await through.channel.find(message)
    assert found and found.reference == receipt.reference
    assert isinstance(through.double, TwilioAccount)
    way = ["sending", "sent", "delivered"] if through.kind == "sms_twilio" else ["ringing", "in-progress", "completed"]
    for status in way:
        through.double.advance(receipt.reference, status)
        found = await through.channel.find(message, receipt.reference)
        assert found
    assert found.fate is Fate.DELIVERED
    assert await through.channel.find(through.message(to="+447700900999")) is None


async def test_the_search_keeps_to_the_description_from_page_to_page(through: Setting) -> None:
    assert isinstance(through.double, TwilioAccount)
    through.double.page = 1
    first = through.message()
    await through.channel.send(first)
    await through.channel.send(through.message(text="later"))
    found = await through.channel.find(first)
    assert found and found.reference == through.double.accepted[0].reference


async def test_a_message_whose_reply_was_lost_is_found_through_it(through: Setting) -> None:
    through.double.trouble.append(Trouble.LOSE_REPLY)
    message = through.message()
    with pytest.raises(ReplyLost):
        await through.channel.send(message)
    assert len(through.double.accepted) == 1
    assert await through.channel.find(message)


async def test_a_request_that_twilio_does_not_know_never_arrives(through: Setting) -> None:
    assert isinstance(through.double, TwilioAccount)
    address = f"{through.double.url}/2010-04-01/Accounts/{ACCOUNT}/{through.double.collection}.json"
    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, AUTH_TOKEN)}
    requests = [{"Body": "to nobody"}, {"To": "+447700900101", "From": "+15005550006", "StatusCallback": "no address"}]
    for form in requests:
        async with through.place.http.post(address, data=form, headers=headers) as reply:
            assert reply.status == 422
            assert (await reply.json(content_type=None))["title"] == "Invalid request"
    async with through.place.http.post(address, data={"To": "+447700900101"}) as reply:
        assert reply.status == 401
    assert through.double.requests == 0


async def test_what_twilio_refuses_is_never_taken_for_sent(through: Setting) -> None:
    """The description has no refusals, so Prism answers with an error of its own: then the fate of the message is
    unknown."""
    through.double.trouble.append(Trouble.BAD_NUMBER)
    with pytest.raises((MessageRefused, ReplyLost)):
        await through.channel.send(through.message())
    assert not through.double.accepted
