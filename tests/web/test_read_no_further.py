"""Input from others is read up to a limit and no further: callbacks of providers, and answers to our own requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.bounded_read import read_limited
from hub.web.inbound.callbacks import MAX_CALL_BYTES
from tests.router.routed import routed

# Seconds that a busy machine may take for what has to happen at once.
BUSY = 60


async def test_a_call_that_never_ends_is_answered_once_it_is_too_large() -> None:
    answered = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_CALL_BYTES // 65536 + 2):
            yield b"a" * 65536
        await answered.wait()

    async with routed() as hub:
        try:
            async with asyncio.timeout(BUSY), hub.running.http.post(hub.place.callbacks, data=endless()) as answer:
                assert answer.status == 403
        finally:
            answered.set()


async def test_an_answer_is_read_up_to_its_limit() -> None:
    limit = 100_000

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=bytes(int(request.match_info["size"])))

    app = web.Application()
    app.router.add_get("/{size}", long)
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        async with http.get(server.make_url(f"/{limit}")) as answer:
            assert len(await read_limited(answer.content, limit, ValueError)) == limit
        async with http.get(server.make_url(f"/{limit + 1}")) as answer:
            with pytest.raises(ValueError, match="too long"):
                await read_limited(answer.content, limit, ValueError)
