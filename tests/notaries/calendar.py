"""A calendar of OpenTimestamps over HTTP, with a ledger of what it was given. It speaks the protocol by itself."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

MIME = "application/vnd.opentimestamps.v1"
PENDING, BITCOIN = bytes.fromhex("83dfe30d2ef90c8e"), bytes.fromhex("0588960d73d71901")


def varbytes(data: bytes) -> bytes:
    assert len(data) < 128
    return bytes([len(data)]) + data


@dataclass
class OtsCalendar:
    """The calendar. `digests`: its ledger; `promises`: its commitments, by hex. `height`: of the block that has them
    all; 0: none yet. `status`: what it answers instead; `garble`: its answer is cut short."""

    url: str = ""
    digests: list[bytes] = field(default_factory=list)
    promises: dict[str, bytes] = field(default_factory=dict)
    height: int = 0
    status: int = 200
    garble: bool = False

    async def digest(self, request: web.Request) -> web.Response:
        digest = await request.read()
        self.digests.append(digest)
        if self.status != 200:
            return web.Response(status=self.status)
        assert request.headers["Accept"] == MIME and len(digest) == 32
        before, after = os.urandom(4), os.urandom(8)
        commitment = hashlib.sha256(before + digest + after).digest()
        self.promises[commitment.hex()] = commitment
        way = b"\xf1" + varbytes(before) + b"\xf0" + varbytes(after) + b"\x08"
        answer = way + b"\x00" + PENDING + varbytes(varbytes(self.url.encode()))
        return web.Response(body=answer[:-1] if self.garble else answer, content_type=MIME)

    async def timestamp(self, request: web.Request) -> web.Response:
        if not self.height or request.match_info["commitment"] not in self.promises:
            return web.Response(status=404, text="Pending confirmation in Bitcoin blockchain")
        other = os.urandom(32)
        block = b"\xf0" + varbytes(other) + b"\x08\x08" + b"\x00" + BITCOIN + varbytes(self.varint())
        kept = b"\x00" + PENDING + varbytes(varbytes(self.url.encode()))
        return web.Response(body=b"\xff" + kept + block, content_type=MIME)  # a fork: the promise, and the block

    def varint(self) -> bytes:
        value, out = self.height, bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        return bytes([*out, value])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OtsCalendar]:
        application = web.Application()
        application.router.add_post("/digest", self.digest)
        application.router.add_get("/timestamp/{commitment}", self.timestamp)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
