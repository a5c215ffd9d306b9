"""The client library against a server that speaks the protocol, in one honest and several dishonest variants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp.test_utils import BaseTestServer, TestServer

from qianda.checks import RefusedToSign
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import BadAnswer, ProtocolProblem, origin_of
from tests.client.hub_double import CODE, CONTRACT, TICKET, HubDouble

ODDITY = "an orphan, a table with rows ending nx"


@dataclass
class Pauses:
    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@asynccontextmanager
async def visit(hub: HubDouble, pauses: Pauses | None = None) -> AsyncIterator[SigningClient]:
    """Yield a client with a verified session."""
    async with TestServer(hub.app()) as server, client_of(server, pauses or Pauses()) as client:
        await client.open(TICKET)
        await client.code()
        await client.verify(CODE, "李雷", "123X")
        yield client


def client_of(server: BaseTestServer, pauses: Pauses, origin: str | None = None) -> SigningClient:
    return SigningClient(str(server.make_url("/")), origin=origin, sleep=pauses)


async def test_an_honest_hub_gets_a_signature() -> None:
    hub = HubDouble()
    async with visit(hub) as client:
        signed = await client.sign(contract_id=CONTRACT)
    assert (signed.state, hub.state, hub.refusals) == ("SIGNED", "SIGNED", [])
    assert signed.certificate_chain == (hub.certificates[0],)


@pytest.mark.parametrize(
    ("ranges", "sent"),
    [
        ("ignored", ["whole"]),
        ("honoured", ["rest"]),
        ("refused", ["none", "whole"]),
        ("shifted", ["other part", "whole"]),
        ("unneeded", []),
    ],
)
async def test_what_was_shown_is_not_loaded_again_if_the_hub_can_send_the_rest(ranges: str, sent: list[str]) -> None:
    hub = HubDouble(ranges=ranges)
    async with visit(hub) as client:
        await client.sign(contract_id=CONTRACT)
    assert (hub.sent, hub.state, hub.refusals) == (sent, "SIGNED", [])


@pytest.mark.parametrize(("ranges", "sent"), [("honoured", ["rest"]), ("unneeded", [])])
@pytest.mark.parametrize(("lie", "number"), [("swapped", 2), ("page", 1), (ODDITY, 1), ("digest", 2)])
async def test_the_joined_file_is_checked_like_a_whole_one(lie: str, number: int, ranges: str, sent: list[str]) -> None:
    """A swapped beginning is not loaded: what was shown takes its place, so that the digest does not fit."""
    hub = HubDouble(lie, ranges=ranges)
    async with visit(hub) as client:
        with pytest.raises(RefusedToSign) as refusal:
            await client.sign()
    assert (refusal.value.number, hub.state, hub.sent) == (number, "OPEN", sent)


async def test_what_was_shown_is_agreed_to_and_not_what_the_hub_would_show_later() -> None:
    """The hub accepts no consent but the first one, and shows another one by now."""
    hub = HubDouble("later-consent")
    async with visit(hub) as client:
        contract, document = await client.contract(), await client.document()
        assert (await client.contract()).consent != contract.consent
        await client.sign(shown=document, contract=contract)
    assert hub.state == "SIGNED"


@pytest.mark.parametrize(
    ("lie", "number"),
    [("swapped", 1), ("page", 1), (ODDITY, 1), ("digest", 2), ("certificate", 3), ("other-key", 3), ("attribute", 4)],
)
async def test_a_dishonest_hub_gets_no_signature_and_is_reported(lie: str, number: int) -> None:
    hub = HubDouble(lie)
    async with visit(hub) as client:
        with pytest.raises(RefusedToSign) as refusal:
            await client.sign()
    assert (refusal.value.number, hub.state) == (number, "OPEN")
    assert [report["reason"] for report in hub.refusals] == [str(refusal.value)]


async def test_a_document_other_than_the_one_on_screen_is_not_signed() -> None:
    hub = HubDouble()
    async with visit(hub) as client:
        with pytest.raises(RefusedToSign):
            await client.sign(shown=b"%PDF-1.7 what the person really saw")
    assert (hub.state, hub.certificates) == ("OPEN", [])


async def test_consent_whose_hash_is_wrong_is_not_given() -> None:
    hub = HubDouble("consent")
    async with visit(hub) as client:
        with pytest.raises(BadAnswer):
            await client.sign()
    assert hub.state == "OPEN"


async def test_the_session_goes_to_no_other_origin() -> None:
    hub = HubDouble("elsewhere")
    async with visit(hub) as client:
        with pytest.raises(BadAnswer):
            await client.sign()
    assert hub.state == "OPEN"


async def test_a_busy_document_is_waited_for() -> None:
    hub, pauses = HubDouble(busy=2), Pauses()
    async with visit(hub, pauses) as client:
        await client.sign()
    assert (pauses.seconds, hub.state) == ([1, 2], "SIGNED")  # sooner than the lease ends, and then more slowly


async def test_a_document_that_stays_busy_is_given_up() -> None:
    hub, pauses = HubDouble(busy=10_000), Pauses()
    async with visit(hub, pauses) as client:
        with pytest.raises(ProtocolProblem) as problem:
            await client.sign()
    assert (problem.value.code, problem.value.retry_after) == ("document-busy", 7)
    assert 180 <= sum(pauses.seconds) <= 240


async def test_one_key_and_certificate_sign_a_whole_bundle() -> None:
    hub, key = HubDouble(), SoftwareKey()
    async with visit(hub) as client:
        await client.sign(key)
        await client.sign(key)
        assert len(hub.certificates) == 1
        await client.sign(SoftwareKey())  # the first challenge was used: a new one is fetched
    assert len(hub.certificates) == 2


async def test_a_proof_for_another_origin_is_turned_down() -> None:
    foreign = "https://phish.example"
    async with TestServer(HubDouble().app()) as server, client_of(server, Pauses(), foreign) as client:
        await client.open(TICKET)
        await client.verify(CODE, "李雷", "123X")
        with pytest.raises(ProtocolProblem, match="wrong-proof"):
            await client.sign()


async def test_problems_carry_code_and_detail() -> None:
    async with TestServer(HubDouble().app()) as server, client_of(server, Pauses()) as client:
        with pytest.raises(ProtocolProblem) as problem:
            await client.open("0000000000000")
    found = problem.value
    assert (found.status, found.code, found.detail) == (404, "link-not-valid", "this is link-not-valid")


async def test_reading_asking_and_coming_back() -> None:
    hub = HubDouble()
    async with visit(hub) as client:
        assert (await client.page(1)).startswith(b"\x89PNG")
        assert (await client.question("不是我"))["asked"] == "不是我"
        await client.relink(ticket=TICKET)
        bearer = client.bearer or ""
        client.resume(bearer)
        assert (await client.session())["verified"]
        assert (await client.decline("改变主意"))["state"] == "DECLINED"
        client.resume("stale")
        with pytest.raises(ProtocolProblem, match="session-not-valid"):
            await client.contract()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTPS://Sign.Example:443/a?b", "https://sign.example"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
