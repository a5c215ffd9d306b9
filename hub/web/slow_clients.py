"""Clients that do not get on with it are let go: half-open sockets, bodies in drips, answers nobody fetches.

aiohttp itself ends connections that wait for a request too long (its keep-alive timeout, which also counts before the
first one). It does not watch for a request whose body never ends or an answer that is never read: that is done here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

PATIENCE = 10.0  # seconds
SLOWEST = 1024  # bytes a second, once the patience has run out
log = structlog.get_logger()


@dataclass
class _Way:
    """An answer on its way: at `since`, so many bytes were `left` for the client to fetch."""

    since: float
    left: int


class SlowClients:
    """Watches every connection that has made a request."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._bodies: dict[int, tuple[web.Request, float]] = {}  # a request cannot be a key itself
        self._answers: dict[Any, _Way] = {}

    @property
    def keepalive(self) -> float:
        """How long a connection may wait for its (next) request."""
        return self.patience

    def middleware(self) -> Any:
        @web.middleware
        async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.transport is not None:
                self._answers.setdefault(request.transport, _Way(_now(), 0))
            if not request.content.is_eof():
                self._bodies[id(request)] = request, _now()
            try:
                return await handler(request)
            finally:
                self._bodies.pop(id(request), None)

        return watched

    async def watch(self, _app: web.Application) -> AsyncIterator[None]:
        """A cleanup context of the application: runs as long as it does."""
        task = asyncio.create_task(self._look_again_and_again())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self.patience / 8)
            for request, since in list(self._bodies.values()):
                self._look_at_body(request, since)
            for transport, answer in list(self._answers.items()):
                self._look_at_answer(transport, answer)

    def _look_at_body(self, request: web.Request, since: float) -> None:
        waited = _now() - since
        if request.content.is_eof():
            self._bodies.pop(id(request), None)
        elif waited > self.patience and request.content.total_raw_bytes < SLOWEST * waited:
            self._drop(request.transport, "body")
            self._bodies.pop(id(request), None)

    def _look_at_answer(self, transport: Any, answer: _Way) -> None:
        if transport.is_closing():
            self._answers.pop(transport, None)
            return
        waiting, now = transport.get_write_buffer_size(), _now()
        waited = now - answer.since
        moved = answer.left - waiting
        if waiting == 0 or moved < 0 or moved > SLOWEST * max(waited, 1.0):
            answer.since, answer.left = now, waiting
        elif waited > self.patience:
            self._drop(transport, "answer")
            self._answers.pop(transport, None)

    def _drop(self, transport: Any, why: str) -> None:
        log.info("slow client dropped", waiting_for=why)
        if transport is not None:
            transport.abort()


def _now() -> float:
    return asyncio.get_running_loop().time()
