"""A built-in authority with its timestamp responder, and a timestamp service over HTTP that can misbehave."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from asn1crypto import tsp

from hub.timestamps.builtin import BuiltinTimestamps
from hub.timestamps.rfc3161 import PinnedService, Rfc3161Timestamps
from tests.signing_parts import Pki, utc_now

Answer = Callable[[bytes], Awaitable[web.StreamResponse]]


@pytest.fixture
async def pki() -> Pki:
    return await Pki.make()


@dataclass
class Service:
    """The service. It answers as `answer` says, by default honestly through the responder."""

    responder: BuiltinTimestamps
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    answer: Answer | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        assert request.content_type == "application/timestamp-query"
        body = await request.read()
        self.requests.append(body)
        self.logins.append(request.headers.get("Authorization", ""))
        if self.answer is not None:
            return await self.answer(body)
        return reply(await self.responder.respond(body))


def reply(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/timestamp-reply")


def changed(request: bytes, **parts: object) -> bytes:
    """Return the request with other parts, as a service would answer it that mixes requests up."""
    parsed = tsp.TimeStampReq.load(request)
    for name, value in parts.items():
        parsed[name] = value
    return bytes(parsed.dump(force=True))


@pytest.fixture
async def service(pki: Pki) -> AsyncIterator[Service]:
    made = Service(pki.timestamps)
    application = web.Application()
    application.router.add_post("/tsa", made.handle)
    async with TestServer(application) as server:
        made.url = f"http://127.0.0.1:{server.port}/tsa"
        yield made


@pytest.fixture
async def client(service: Service, pki: Pki) -> AsyncIterator[Rfc3161Timestamps]:
    async with aiohttp.ClientSession() as session:
        yield Rfc3161Timestamps(session, PinnedService(service.url, pki.timestamps.certificates[:1]), utc_now)
