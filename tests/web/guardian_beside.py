"""A guardian who has a contract open while others keep the hub busy, and how long each of their requests takes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import aiohttp

from bench.results import median, percentile
from qianda.client import SigningClient
from tests.running import Running
from tests.web.signer_visits import verified

ROUNDS = 5
# Seconds between two requests: a person at a phone is no attacker.
PAUSE = 0.05


Figures = Callable[..., None]


@dataclass
class Beside:
    """The seconds of each request: `quiet` before the load, `seconds` under it."""

    quiet: list[float]
    seconds: list[float] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, float]:
        """Return medians and percentiles in milliseconds. With fewer than a hundred requests, `p99` is the slowest
        one."""
        return {
            "signing_requests": len(self.seconds),
            "signing_median_quiet_ms": median(self.quiet) * 1000,
            "signing_median_ms": median(self.seconds) * 1000,
            "signing_p99_quiet_ms": percentile(self.quiet, 0.99) * 1000,
            "signing_p99_ms": percentile(self.seconds, 0.99) * 1000,
        }


@dataclass(frozen=True)
class Guardian:
    """A guardian with a session. `origin`: the hub's public origin, whatever address the client connects to."""

    client: SigningClient
    origin: str
    quiet: list[float] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def at(self, address: str) -> AsyncIterator[Guardian]:
        """Yield the same session at another web server of this hub."""
        headers = {"Host": self.origin.removeprefix("http://")}
        async with aiohttp.ClientSession(headers=headers) as http:
            client = SigningClient(address, http=http, origin=self.origin)
            client.resume(str(self.client.bearer))
            yield replace(self, client=client)

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[Beside]:
        """Make one request after the other inside the block. All of them have to be answered."""
        beside, ended = Beside(self.quiet), asyncio.Event()

        async def ask() -> None:
            while not ended.is_set():
                await self.round(beside.seconds)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(ask())
            try:
                yield beside
            finally:
                ended.set()

    async def round(self, seconds: list[float]) -> None:
        for request in (self.client.session, self.client.contract, self.client.document, self._first_page):
            begun = time.perf_counter()
            await request()
            seconds.append(time.perf_counter() - begun)
            await asyncio.sleep(PAUSE)

    async def _first_page(self) -> bytes:
        return await self.client.page(1)


@contextlib.asynccontextmanager
async def guardian_at(running: Running) -> AsyncIterator[Guardian]:
    """Yield a verified guardian who has made all requests a few times under no other load."""
    async with verified(running, await running.issue_minor()) as client:
        guardian = Guardian(client, running.origin)
        await guardian.round([])  # draws the page
        for _ in range(ROUNDS):
            await guardian.round(guardian.quiet)
        yield guardian
