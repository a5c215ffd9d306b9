"""The double of the example channel in CONTRIBUTING: a pigeon house with its ledger."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble

REFUSALS = {Trouble.BAD_NUMBER: 422, Trouble.BUSY: 503}


class Double:
    able = frozenset({*REFUSALS, Trouble.LOSE_REPLY, Trouble.LATE_REPLY, Trouble.GATEWAY_ERROR})

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self._url = ""
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.add_routes([web.post("/letters", self._take), web.get("/letters/{key}", self._look)])
        async with TestServer(app) as server:
            self._url = f"http://127.0.0.1:{server.port}"
            try:
                yield
            finally:
                self._over.set()

    def options(self) -> Mapping[str, str]:
        return {"url": self._url, "grain": "wheat"}

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return None

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        return None

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        raise AssertionError("a pigeon house makes no calls")

    async def _take(self, request: web.Request) -> web.Response:
        letter = await request.json()
        trouble = self.trouble.pop(0) if self.trouble else None
        if trouble in REFUSALS:
            return web.json_response({}, status=REFUSALS[trouble])
        taken = Accepted(f"ring-{len(self.accepted) + 1}", letter["to"], letter["text"], letter["key"])
        self.accepted.append(taken)
        if trouble is Trouble.LOSE_REPLY and request.transport:
            request.transport.abort()
        elif trouble is Trouble.LATE_REPLY:
            await self._over.wait()
        elif trouble is Trouble.GATEWAY_ERROR:
            return web.Response(status=502)
        return web.json_response({"ring": taken.reference, "home": False}, status=201)

    async def _look(self, request: web.Request) -> web.Response:
        for letter in self.accepted:
            if letter.key == request.match_info["key"]:
                return web.json_response({"ring": letter.reference, "home": False})
        return web.json_response({}, status=404)
