"""Disconnect slow clients: half-open sockets, bodies that trickle in, responses that are not read.

aiohttp itself closes connections without a request (its keep-alive timeout, which also applies before the first one).
It does not notice a request whose body never ends or a response that is never read. This module does.

The progress of a response is taken from the kernel, which counts the bytes acknowledged by the client. Counting in the
process is not enough: `sendfile` and short responses bypass the transport's buffer, and bytes taken by the kernel may
still be unsent.

Pipelined requests are handled one after another: a request is handled only after the kernel has taken all earlier
responses of the connection, and the kernel takes little that it cannot send. So no work is done for a client that does
not read, beyond the size of its own buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

PATIENCE = 10.0  # seconds
SLOWEST = 1024  # bytes a second that a client must reach after PATIENCE
# A connection may idle, and the kernel may try to send, for PATIENCE times this factor, so that this module acts first.
LONGER = 1.25
# The most unsent bytes of a connection's responses that the kernel may hold.
UNSENT = 16 << 10  # bytes
# Linux' struct tcp_info (since 4.6): its size up to the last field that is read, and the offsets of the fields.
TCP_INFO_SIZE, UNACKED_AT, ACKED_AT, UNSENT_AT = 148, 24, 120, 144
log = structlog.get_logger()


@dataclass
class _AnswerProgress:
    """The progress of a connection's responses: when they last progressed (seconds), and bytes acknowledged by then."""

    since: float
    fetched: int


class SlowClients:
    """A watch over every connection that has made a request. `patience`: seconds."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        self._bodies: dict[int, tuple[web.Request, float]] = {}  # a request is not hashable
        self._answers: dict[Any, _AnswerProgress] = {}

    @property
    def keepalive(self) -> float:
        """How long a connection may wait for its next request, in seconds."""
        return self.patience * LONGER

    def middleware(self) -> Any:
        @web.middleware
        async def watched(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.transport is not None and request.transport not in self._answers:
                self._add_connection(request.transport)
            await request.writer.drain()
            if not request.content.is_eof():
                self._bodies[id(request)] = request, _now()
            try:
                return await handler(request)
            finally:
                self._bodies.pop(id(request), None)

        return watched

    async def watch(self, _app: web.Application) -> AsyncIterator[None]:
        """Check the connections while the application runs. It is a cleanup context of the application."""
        task = asyncio.create_task(self._check_connections())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _check_connections(self) -> None:
        while True:
            await asyncio.sleep(self.patience / 8)
            for request, since in list(self._bodies.values()):
                self._check_body(request, since)
            for transport, answer in list(self._answers.items()):
                self._check_answer(transport, answer)

    def _check_body(self, request: web.Request, since: float) -> None:
        waited = _now() - since
        if request.content.is_eof():
            self._bodies.pop(id(request), None)
        elif waited > self.patience and request.content.total_raw_bytes < SLOWEST * waited:
            self._drop(request.transport, "body")
            self._bodies.pop(id(request), None)

    def _add_connection(self, transport: Any) -> None:
        self._answers[transport] = _AnswerProgress(_now(), 0)
        transport.set_write_buffer_limits(high=1)  # 0 would hold TLS forever
        if sys.platform == "linux":
            with contextlib.suppress(OSError), _socket_of(transport) as sock:  # not TCP
                # This module no longer sees a connection closed with unsent data, so the kernel has to drop it.
                milliseconds = int(self.patience * LONGER * 1000)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)

    def _check_answer(self, transport: Any, answer: _AnswerProgress) -> None:
        known = transport.get_extra_info("socket")
        if known is None or known.fileno() < 0:  # None: TLS that is closed
            self._answers.pop(transport, None)
            return
        (left, fetched), now = _kernel_count(transport), _now()
        waited, moved = now - answer.since, fetched - answer.fetched
        if not left or moved < 0 or moved > SLOWEST * max(waited, 1.0):
            answer.since, answer.fetched = now, fetched
        elif waited > self.patience:
            self._drop(transport, "answer")
            self._answers.pop(transport, None)

    def _drop(self, transport: Any, why: str) -> None:
        log.info("slow client dropped", waiting_for=why)
        if transport is None:
            return
        with contextlib.suppress(OSError), _socket_of(transport) as sock:  # the client was quicker
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # discards unsent data
            sock.shutdown(socket.SHUT_RDWR)  # wakes a writer: `sendfile` would not notice an abort


@contextlib.contextmanager
def _socket_of(transport: Any) -> Iterator[socket.socket]:
    """Yield a second handle of the transport's socket, which is closed afterwards. Raises OSError if it is closed.

    uvloop's own object for a socket can neither read nor change its options.
    """
    known = transport.get_extra_info("socket")
    if known is None:
        raise OSError("the transport is closed")
    with socket.socket(known.family, known.type, fileno=os.dup(known.fileno())) as sock:
        yield sock


def _kernel_count(transport: Any) -> tuple[int, int]:
    """Return the number of unsent or unacknowledged items (0 for none), and the bytes acknowledged so far."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError), _socket_of(transport) as sock:  # not TCP
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
            (segments,), (fetched,), (unsent,) = (
                struct.unpack_from(kind, info, at)
                for kind, at in (("I", UNACKED_AT), ("Q", ACKED_AT), ("I", UNSENT_AT))
            )
            return segments + unsent, fetched
    waiting = transport.get_write_buffer_size()
    return waiting, -waiting


def _now() -> float:
    return asyncio.get_running_loop().time()
