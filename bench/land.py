"""Compare the landing page of an opened link with a bare aiohttp handler that runs the same statements.

Both look up a session by its secret and a link by its ticket, in the same database, and answer with the same page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from bench.programs.demo import DemoHub, running_demo
from bench.programs.ports import free_port
from bench.results import Result, median
from bench.simulated.people import People
from hub.model.signing.session import hash_secret
from hub.store.server.embedded import EmbeddedPostgres
from hub.web.http.security import COOKIE
from qianda.client import SigningClient

ROUNDS = 20
# Requests in each round, one after the other on one connection.
REQUESTS = 100
START_TRIES = 100


def run(rounds: int) -> Result:
    ledger = asyncio.run(_measured(rounds))
    landing, bare = (median([row["cpu_s"] for row in ledger if row["work"] == work]) for work in ("landing", "bare"))
    figures = {"ratio_bare_aiohttp": bare / landing, "cpu_ms_landing": landing * 1000, "cpu_ms_bare": bare * 1000}
    return Result("land", figures, ledger)


@dataclass(frozen=True)
class _Page:
    """A server's process, and the address of its page."""

    pid: int
    address: str
    headers: dict[str, str]

    async def cpu_of_requests(self, http: aiohttp.ClientSession) -> float:
        """Make REQUESTS requests. Return the CPU seconds that the server's process uses for each of them."""
        before = _cpu_seconds(self.pid)
        for _ in range(REQUESTS):
            async with http.get(self.address, headers=self.headers, allow_redirects=False) as answer:
                assert answer.status == 200
                await answer.read()
        return (_cpu_seconds(self.pid) - before) / REQUESTS


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process, in seconds, from the kernel's nanoseconds (Linux)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


async def _measured(rounds: int) -> list[dict[str, Any]]:
    async with running_demo() as hub, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        landing, ticket, secret = await _opened(hub, http)
        async with http.get(landing.address, headers=landing.headers) as answer:
            shown = await answer.text()
        async with _bare_server(hub, ticket, secret, shown) as bare:
            ledger = []
            for number in range(-1, rounds):
                for work, page in (("landing", landing), ("bare", bare)):
                    row = {"work": work, "round": number, "cpu_s": await page.cpu_of_requests(http)}
                    ledger += [row] if number >= 0 else []  # the first round warms up both servers
            return ledger


async def _opened(hub: DemoHub, http: aiohttp.ClientSession) -> tuple[_Page, str, str]:
    """Have an invited person open their link. Return their page, the ticket and the session's secret."""
    async with aiohttp.ClientSession(hub.origin) as aside:
        ticket = await People(hub.origin, http, aside).invited(1)
    client = SigningClient(hub.origin, http=http)
    await client.open(ticket)
    secret = client.bearer or ""
    page = _Page(hub.web_pid(), f"{hub.origin}/s/{ticket}", {"Cookie": f"{COOKIE}={secret}"})
    return page, ticket, secret


@contextlib.asynccontextmanager
async def _bare_server(hub: DemoHub, ticket: str, secret: str, shown: str) -> AsyncIterator[_Page]:
    postgres, port = EmbeddedPostgres(hub.folder / "database"), free_port()
    postgres.start()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.programs.bare", str(port)], stdin=subprocess.PIPE, text=True
    )
    try:
        dsn, session = postgres.dsn("owner"), hash_secret(secret)
        database = await asyncpg.connect(dsn)
        link = await database.fetchval(
            "SELECT ticket_hash FROM sign_link JOIN signing_session ON sign_link.id = signing_session.link"
            " WHERE secret_hash = $1",
            session,
        )
        await database.close()
        asked = {"dsn": dsn, "session": session.hex(), "link": link.hex(), "page": shown}
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        page = _Page(process.pid, f"http://127.0.0.1:{port}/s/{ticket}", {})
        await _until_served(page)
        yield page
    finally:
        process.kill()
        process.wait()
        postgres.stop()


async def _until_served(page: _Page) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(START_TRIES):
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(page.address) as answer:
                    answer.raise_for_status()
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError("the bare server did not start")
