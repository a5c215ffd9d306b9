"""Kannel's smsbox as its user guide and its answers show it. As a program of its own:

python -m tests.channels.doubles.sms_kannel --port N --ledger FILE [--lose 0.1 --seed 1]
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble
from tests.channels.doubles.ledger import Ledger
from tests.channels.doubles.program import run

USERNAME, PASSWORD = "tester", "a password of the gateway"
SECRET = "a-secret-piece-of-the-path"
ANSWERS = {
    Trouble.BAD_NUMBER: (403, "Not routable. Do not try again."),
    Trouble.BUSY: (503, "Temporal failure, try again later."),
    Trouble.ACCOUNT: (403, "Authorization failed for sendsms"),
}
UNDELIVERED = (
    "id:7220bb6b-14 sub:001 dlvrd:000 submit date:2612011000 done date:2612011001 stat:UNDELIV err:011 text:+86190"
)
REPORTS = {Fate.DELIVERED: ("1", ""), Fate.UNDELIVERED: ("2", UNDELIVERED)}


class Double:
    """The gateway. `lose`: the share of replies that are lost after the message was accepted, drawn with `seed`."""

    able = frozenset({*ANSWERS, Trouble.LOSE_REPLY, Trouble.LATE_REPLY, Trouble.GATEWAY_ERROR})

    def __init__(self, *, lose: float = 0.0, seed: int = 0, ledger: Ledger | None = None) -> None:
        self.url = ""
        self._lose, self._chance, self._ledger = lose, random.Random(seed), ledger or Ledger()
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self.headers: list[Mapping[str, str]] = []
        """Those of each request, the first one first."""
        self.answer: tuple[int, str] | None = None
        """What is answered to everything, if it is set; nothing is taken then."""
        self._report_to: dict[str, str] = {}
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/cgi-bin/sendsms", self._sendsms)
        async with TestServer(app, port=port) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            try:
                yield
            finally:
                self._over.set()

    def options(self) -> Mapping[str, Any]:
        return {
            "url": f"{self.url}/cgi-bin/sendsms",
            "username": USERNAME,
            "password": PASSWORD,
            "callback_secret": SECRET,
            "sender": "10690000",
        }

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return self.reporting(message, *REPORTS[fate]) if fate in REPORTS else None

    def reporting(self, message: Accepted, value: str, reply: str = "") -> CallbackRequest:
        filled = {"%": "%", "d": value, "A": quote(reply, safe="")}
        return _get(re.sub("%(.)", lambda code: filled[code[1]], self._report_to[message.key]))

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        charset = "UTF-8" if text.isascii() else "UTF-16BE"
        encoded = quote(text.encode(charset.lower()), safe="")
        at = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp())
        return _get(
            f"{place.callbacks}/{SECRET}?sender={quote(sender, safe='')}&text={encoded}&charset={charset}"
            f"&at={at}&id={uuid4()}"
        )

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        wrong = "another-secret-of-the-path"
        return replace(call, url=call.url.replace(SECRET, wrong), path=call.path.replace(SECRET, wrong))

    async def _sendsms(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.headers.append(headers)
        if self.answer:
            return _answer(*self.answer)
        if (headers.get("X-Kannel-Username"), headers.get("X-Kannel-Password")) != (USERNAME, PASSWORD):
            return _answer(*ANSWERS[Trouble.ACCOUNT])
        if not headers.get("X-Kannel-To"):
            return _answer(400, "Missing receiver(s) number(s), rejected")
        trouble = self._next_trouble()
        if trouble in ANSWERS:
            return _answer(*ANSWERS[trouble])
        await self._take(request)
        if trouble is Trouble.LOSE_REPLY and request.transport:
            self._ledger.write("reply lost")
            request.transport.abort()
        elif trouble is Trouble.LATE_REPLY:
            await self._over.wait()
        elif trouble is Trouble.GATEWAY_ERROR:
            return _answer(502, "Bad Gateway")
        return _answer(202, "0: Accepted for delivery")

    def _next_trouble(self) -> Trouble | None:
        if self.trouble:
            return self.trouble.pop(0)
        return Trouble.LOSE_REPLY if self._chance.random() < self._lose else None

    async def _take(self, request: web.Request) -> None:
        """Record the text that arrives on the phone: 7-bit text has no Chinese. Kannel tells nobody its own id of a
        message."""
        text = (await request.read()).decode(request.charset or "utf-8")
        if request.headers.get("X-Kannel-Coding") != "2":
            text = text.encode("latin-1", "replace").decode("latin-1")
        report_to = request.headers.get("X-Kannel-DLR-URL", "")
        key = parse_qs(urlsplit(report_to.replace("%%", "%")).query).get("key", [""])[0]
        self._report_to[key] = report_to
        line = Accepted("", request.headers["X-Kannel-To"], text, key)
        self.accepted.append(line)
        self._ledger.write("accepted", to=line.to, text=line.text, key=line.key)


def _answer(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")


def _get(url: str) -> CallbackRequest:
    parts = urlsplit(url)
    return CallbackRequest("GET", url, f"{parts.path}?{parts.query}", {"user-agent": "Kannel/1.4.5"}, b"")


if __name__ == "__main__":
    run(Double)
