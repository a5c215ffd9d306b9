"""Answers that no provider gives, for example from a proxy on the way: every channel that speaks HTTP survives them."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import CannotAsk, NotNow, ReplyLost
from channels.answers import MAX_ANSWER_BYTES
from tests.channels.conformance import KINDS, Setting, at_place, double_of, keeps_secrets

# Larger than what the sockets' buffers hold beyond the limit.
LONG = 8 * MAX_ANSWER_BYTES
# Seconds that a busy machine may take for what has to happen at once.
BUSY = 60
PIECE = b" " * (1 << 20)
SPOKEN = [kind for kind in KINDS if kind.startswith(("sms_", "voice"))]


@dataclass
class OddServer:
    """Answers each request by `answer`. `written`: bytes of the last answer. `paths`: of all requests."""

    answer: Callable[[OddServer, web.Request], Any]
    written: int = 0
    paths: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        await request.read()
        found: web.StreamResponse = await self.answer(self, request)
        return found


async def _endless(server: OddServer, request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(status=200, headers={"Content-Type": "application/json"})
    await answer.prepare(request)
    server.written = 0
    while server.written < LONG:
        await answer.write(PIECE)
        server.written += len(PIECE)
    return answer


async def _deep(server: OddServer, request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"code":' + b"[" * 100_000, content_type="application/json")


async def _half(server: OddServer, request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Length": "100", "Content-Type": "application/json"})
    await answer.prepare(request)
    await answer.write(b'{"Code": "OK"')
    assert request.transport
    request.transport.close()
    return answer


async def _elsewhere(server: OddServer, request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "/inner"})


ODD = {"endless": _endless, "deep": _deep, "half": _half, "elsewhere": _elsewhere}


@contextlib.asynccontextmanager
async def odd_setting(kind: str, server: OddServer) -> AsyncIterator[Setting]:
    """Connect a channel to a server of odd answers in place of its double."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    double = double_of(kind)
    async with TestServer(app) as listening, double.serving(), at_place(kind, double) as setting:
        there = f"http://127.0.0.1:{listening.port}"
        moved = {
            name: re.sub(r"http://127\.0\.0\.1:\d+", there, value)
            for name, value in double.options().items()
            if isinstance(value, str)
        }
        setting.channel = setting.connect(**moved)
        yield setting


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", SPOKEN)
async def test_an_odd_answer_proves_nothing_about_the_message(kind: str, odd: str) -> None:
    server = OddServer(ODD[odd])
    async with odd_setting(kind, server) as setting:
        message = setting.message()
        with pytest.raises(ReplyLost) as caught:
            await asyncio.wait_for(setting.channel.send(message), BUSY)
        keeps_secrets(str(caught.value), message)
        assert server.paths and "/inner" not in server.paths
        assert server.written < LONG, "the answer was read to its end"
        with pytest.raises(CannotAsk):
            await asyncio.wait_for(setting.channel.find(message), BUSY)
        assert server.written < LONG, "the answer was read to its end"


WRONG_TYPES: dict[str, Any] = {
    "sms_aliyun": {"Code": "OK", "TotalCount": 0, "SmsSendDetailDTOs": "none"},
    "sms_tencent": {"Response": {"PullSmsSendStatusSet": [{"ReportStatus": ["SUCCESS"], "SerialNo": "1"}]}},
    "sms_twilio": {"sid": {"SM": "a"}, "status": "queued"},
    "voice": {"sid": ["CA"], "status": "queued"},
}
REFERENCES = {"sms_tencent": "1", "sms_twilio": f"SM{'a' * 32}", "voice": f"CA{'a' * 32}"}


@pytest.mark.parametrize("kind", WRONG_TYPES)
async def test_an_answer_of_wrong_types_says_nothing_about_a_message(kind: str) -> None:
    async def wrong(server: OddServer, request: web.Request) -> web.Response:
        return web.json_response(WRONG_TYPES[kind])

    async with odd_setting(kind, OddServer(wrong)) as setting:
        with pytest.raises(CannotAsk):
            await setting.channel.find(setting.message(), REFERENCES.get(kind, ""))


@pytest.mark.parametrize("wait", ["9" * 14, "Mon, 20 Nov 2026 10:00:00 +99999999999999999999"], ids=["seconds", "date"])
@pytest.mark.parametrize("kind", SPOKEN)
async def test_a_wait_that_no_clock_can_show_is_one_of_any_length(kind: str, wait: str) -> None:
    async def busy(server: OddServer, request: web.Request) -> web.Response:
        return web.json_response({}, status=429, headers={"Retry-After": wait})

    async with odd_setting(kind, OddServer(busy)) as setting:
        with pytest.raises((NotNow, ReplyLost)):
            await setting.channel.send(setting.message())
        with pytest.raises(CannotAsk):
            await setting.channel.find(setting.message())


async def _packed(server: OddServer, request: web.Request) -> web.StreamResponse:
    body = await asyncio.to_thread(gzip.compress, b" " * LONG, 1)
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


@pytest.mark.parametrize("kind", SPOKEN)
async def test_a_packed_answer_is_unpacked_only_to_the_limit(kind: str) -> None:
    async with odd_setting(kind, OddServer(_packed)) as setting:
        with pytest.raises(ReplyLost, match="ClientPayloadError"):
            await asyncio.wait_for(setting.channel.send(setting.message()), BUSY)
