"""The page of a link: what it says before the code, and how much a phone has to fetch for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from hub.lifecycle.contract.end import void
from hub.model.messaging.message import format_moment
from hub.model.staff.scope import EVERYTHING
from hub.web.http.security import COOKIE
from hub.web.pages.render import STATIC
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import MORNING, StandingClock
from tests.running import GUARDIAN_PHONE, Running
from tests.web.signer.test_crawlers import pages_and_scripts
from tests.web.signer_visits import asked, stands_alone

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def alone() -> AsyncIterator[Running]:
    """A hub without other contracts, which would wait for the same person."""
    async with lent_hub(with_worker=False) as running:
        yield running


async def test_a_landing_page_says_what_waits_until_when_and_nothing_personal(alone: Running) -> None:
    contract = await alone.issue_minor()
    ticket = await alone.ticket(contract)
    pages = [await asked(alone, "GET", path) for path in (f"/s/{ticket}", f"/S/{ticket}", f"/s/{ticket.lower()}")]
    assert {status for status, _, _ in pages} == {200} and len({body for _, body, _ in pages}) == 1
    body = pages[0][1]
    assert "有合同等您签署" in body and "合肥校区" in body
    assert format_moment(contract.deadline, "Asia/Shanghai", "zh") in body
    for personal in ("陈建国", "陈小满", contract.number, contract.title, "数学", GUARDIAN_PHONE[3:]):
        assert personal not in body
    for digits in (GUARDIAN_PHONE[-4:], "2880"):
        assert not stands_alone(digits, body)
    head, _, _ = await asked(alone, "HEAD", f"/s/{ticket}")
    assert head == 200
    await void(alone.hub.services, EVERYTHING, contract.id, "a mistake", "test")
    assert "等您签署" not in (await asked(alone, "GET", f"/s/{ticket}"))[1], "nothing waits any more"


async def test_nothing_waits_after_the_deadline() -> None:
    clock = StandingClock(moment=MORNING)
    async with lent_hub(with_worker=False, clock=clock) as running:
        contract = await running.issue_minor(send="none")
        ticket = await running.ticket(contract)
        for days, waits in ((0, True), (40, False)):
            clock.advance(timedelta(days=days))
            assert ("等您签署" in (await asked(running, "GET", f"/s/{ticket}"))[1]) is waits


async def test_a_ticket_that_opens_nothing_claims_nothing(running: Running) -> None:
    contract = await running.issue_minor()
    ticket = await running.ticket(contract)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.links.renew([(await tx.contracts.list_signers(contract.id))[0].id], tx.now)
    pages = [await asked(running, "GET", path) for path in (f"/s/{ticket}", "/s/0123456789ABC", "/s/nothing")]
    assert {status for status, _, _ in pages} == {200}
    assert len({body for _, body, _ in pages}) == 1, "unknown, revoked and impossible ones are told alike"
    assert "这个链接已失效" in pages[0][1] and "等您签署" not in pages[0][1] and "合肥" not in pages[0][1]


async def test_only_a_window_that_got_a_code_comes_back_to_the_place_for_it(running: Running) -> None:
    """A second window is told that the code is for the first one. Opened again, it does not say that it has one."""
    ticket = await running.ticket(await running.issue_minor())
    openings = [await asked(running, "POST", "/sign/v1/open", body={"ticket": ticket}) for _ in range(2)]
    first, second = [answer["session"] for _, answer, _ in openings]
    assert (await asked(running, "POST", "/sign/v1/code", body={}, bearer=first))[0] == 202
    assert (await asked(running, "POST", "/sign/v1/code", body={}, bearer=second))[1]["code"] == "too-soon"
    for session, waits in ((first, True), (second, False)):
        body = (await asked(running, "GET", f"/s/{ticket}", headers={"Cookie": f"{COOKIE}={session}"}))[1]
        assert ("data-opened" in body) is waits
        assert ('data-panel="start" hidden' in body) is waits and ('data-panel="code" hidden' in body) is not waits


async def test_the_first_view_of_a_link_is_light(running: Running) -> None:
    """What a browser gets over the wire for it: the page, its styles, its scripts with their imports, the logo."""
    page, weight = f"/s/{await running.ticket(await running.issue_minor())}", 0
    async with ClientSession(auto_decompress=False) as http:
        for path in await pages_and_scripts(running, page):
            async with http.get(running.origin + path, headers={"Accept-Encoding": "gzip, br"}) as answer:
                assert answer.status == 200 and answer.headers["Content-Encoding"] == "gzip", path
                weight += len(await answer.read())
    assert 5_000 < weight <= 30_000, weight


async def test_only_what_is_nobodys_is_compressed_and_only_when_it_is_whole(running: Running) -> None:
    static = running.app[STATIC] if running.app else ""
    async with ClientSession(auto_decompress=False) as http:

        async def coding(path: str, method: str = "GET", **headers: str) -> str | None:
            async with http.request(method, running.origin + path, headers=headers) as answer:
                await answer.read()
                return answer.headers.get("Content-Encoding")

        css = f"{static}/base.css"
        assert await coding(css, Range="bytes=0-9") is None
        assert await coding(css, "HEAD") is None
        assert await coding(css, **{"Accept-Encoding": "gzip;q=0, br"}) is None
        assert await coding(css, **{"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}) is None
        assert await coding(css) == "gzip"
        assert await coding("/sign/done") is None and await coding("/staff/login") is None


async def test_the_pages_after_a_link_keep_the_language_of_its_page(running: Running) -> None:
    """A browser that alone chose the language goes on in it, whatever the school has on file for the signer."""
    ticket = await running.ticket(await running.issue_minor())
    for body in ({"ticket": ticket}, {"pickup_code": "123456", "phone": GUARDIAN_PHONE}):
        async with running.http.post(f"{running.origin}/sign/v1/open?lang=en", json=body) as answer:
            assert answer.cookies["qianda-language"].value == "en", body
