"""Programs that fetch a link without being asked to change nothing, and the link still works afterwards."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import cycle

import pytest
import pytest_asyncio

from tests.everything_stored import changed, fingerprint
from tests.lent_hubs import lent_hub
from tests.poster_visits import counts, make_poster
from tests.running import Running
from tests.web.signer_visits import verified
from tests.web.user_agents import PEOPLE, PROGRAMS

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 8
METHODS = ("GET", "HEAD", "POST")
AGENTS = [*PROGRAMS, *(said for _, said in PEOPLE.values())]
# Method, path and User-Agent.
Asked = tuple[str, str, str]


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def statuses(running: Running, requests: list[Asked]) -> list[tuple[Asked, int]]:
    """Return each request with its status, AT_ONCE at a time. Redirects are followed, as crawlers do."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(asked: Asked) -> tuple[Asked, int]:
        method, path, agent = asked
        body = b"code=123456&name=a&id_tail=0000" if method == "POST" else None
        headers = {"User-Agent": agent, "Accept-Language": "en"}
        async with gate, running.http.request(method, running.origin + path, headers=headers, data=body) as answer:
            await answer.read()
            return asked, answer.status

    return list(await asyncio.gather(*map(ask, requests)))


async def pages_and_scripts(running: Running, page: str) -> set[str]:
    """Return the page and everything that it loads: styles, scripts, and the scripts that those load."""
    found, ahead = {page}, [page]
    while ahead:
        path = ahead.pop()
        async with running.http.get(running.origin + path) as answer:
            text = await answer.text()
        linked = re.findall(r"(?:src|href)=\"(/static/[^\"]+)\"", text)
        imported = [f"{path.rpartition('/')[0]}/{name}" for name in re.findall(r"from '\./([\w.]+)'", text)]
        fresh = {*linked, *imported} - found
        found |= fresh
        ahead += [each for each in fresh if each.endswith(".js")]
    return found


async def test_no_crawler_changes_anything(running: Running) -> None:
    contract = await running.issue_minor()
    await running.message("invitation")
    ticket = await running.ticket(contract)
    poster, code = await make_poster(running)
    paths = [
        f"/s/{ticket}",
        f"/S/{ticket.lower()}",
        f"/s/{ticket}?code=123456",
        f"/p/{code}",
        f"/P/{code.lower()}",
        "/s",
    ]
    before = await fingerprint(running.hub.database)
    files = await pages_and_scripts(running, f"/s/{ticket}") | await pages_and_scripts(running, f"/p/{code}")
    assert any(path.endswith("/landing.js") for path in files) and any(path.endswith("/session.js") for path in files)
    by_turns = cycle(paths[1:])
    asked = [(method, path, agent) for agent in AGENTS for path in (paths[0], next(by_turns)) for method in METHODS]
    asked += [(method, path, AGENTS[0]) for path in paths for method in METHODS]
    asked += [(method, path, AGENTS[0]) for path in files for method in METHODS]
    for (method, path, _), status in await statuses(running, asked):
        assert status == (405 if method == "POST" else 200), (method, path)
    assert changed(before, await fingerprint(running.hub.database)) == []
    assert await counts(running, poster) == [0, 0, 0]
    async with verified(running, contract) as client:
        assert [each["state"] for each in (await client.session())["contracts"]] == ["ISSUED"]


async def test_posting_what_the_page_would_post_needs_the_code(running: Running) -> None:
    """A scanner that follows the protocol as far as it can gets a session and has a code sent, and that is all."""
    contract = await running.issue_minor()
    await running.message("invitation")
    ticket = await running.ticket(contract)
    about_the_contract = {"contract", "signer", "signing_task", "sign_link", "issued_certificate", "signature_request"}
    before = await fingerprint(running.hub.database)
    assert about_the_contract <= before.keys()
    post = running.http.post
    async with post(f"{running.origin}/sign/v1/open", json={"ticket": ticket}) as answer:
        bearer = {"Authorization": f"Bearer {(await answer.json())['session']}"}
    async with post(f"{running.origin}/sign/v1/code", json={}, headers=bearer) as answer:
        assert answer.status == 202
    tried = {"code": "000000", "name": "scanner", "id_tail": "0000"}
    async with post(f"{running.origin}/sign/v1/verify", json=tried, headers=bearer) as answer:
        assert answer.status == 403
    for path in ("contract", "text", "pages/1.png", "document.pdf", "final.pdf"):
        async with running.http.get(f"{running.origin}/sign/v1/{path}", headers=bearer) as answer:
            assert answer.status in (401, 403), path
    assert not about_the_contract & {*changed(before, await fingerprint(running.hub.database))}
    assert await running.state(contract) == "ISSUED"
