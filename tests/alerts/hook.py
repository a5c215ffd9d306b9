"""A web hook to which Apprise's `json://` posts, on loopback, with a ledger of the messages that it accepted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


class Hook:
    """The web hook. `status`: the HTTP status of its answers. `held`: if set to an event, the hook answers only when
    that event is set."""

    def __init__(self) -> None:
        self.accepted: list[dict[str, Any]] = []
        self.refused = 0
        self.status = 200
        self.held: asyncio.Event | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"json://clerk:s3cr3t-password@127.0.0.1:{self.port}/hook/s3cr3t-path"

    async def _take(self, request: web.Request) -> web.Response:
        if self.held is not None:
            await self.held.wait()
        if self.status == 200:
            self.accepted.append(await request.json())
        else:
            self.refused += 1
        return web.Response(status=self.status)


@contextlib.asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    app = web.Application()
    app.router.add_post("/hook/s3cr3t-path", found._take)
    async with TestServer(app) as server:
        assert server.port
        found.port = server.port
        try:
            yield found
        finally:
            if found.held is not None:
                found.held.set()


def dead_address() -> str:
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"json://clerk:s3cr3t-password@127.0.0.1:{closed.getsockname()[1]}/s3cr3t-path"
