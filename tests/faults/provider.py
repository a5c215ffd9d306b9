"""A message provider that can be asked about messages. It has a ledger of its own and outlives every killed process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels import Fate, Message, Receipt, Rules


@dataclass
class Provider:
    """The server. `accepted` has every incoming call, in order: if a key is there twice, its message was sent twice."""

    accepted: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Provider]:
        app = web.Application()
        app.add_routes(
            [web.post("/messages", self._send), web.get("/messages/{key}", self._find), web.get("/phone", self._phone)]
        )
        async with TestServer(app) as server:
            self.address = f"http://127.0.0.1:{server.port}"
            yield self

    async def _send(self, request: web.Request) -> web.Response:
        self.accepted.append(await request.json())
        return web.json_response({})

    async def _find(self, request: web.Request) -> web.Response:
        known = any(message["key"] == request.match_info["key"] for message in self.accepted)
        return web.json_response({}, status=200 if known else 404)

    async def _phone(self, request: web.Request) -> web.Response:
        return web.json_response([message for message in self.accepted if message["to"] == request.query["to"]])


class ProviderChannel:
    """The hub's side: a channel like any other."""

    rules = Rules(queryable=True)

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self._http = http
        self._address = address

    async def send(self, message: Message) -> Receipt:
        body = {"key": message.key, "to": message.to, "purpose": message.purpose, "text": message.text}
        async with self._http.post(f"{self._address}/messages", json=body) as answer:
            answer.raise_for_status()
        return Receipt(Fate.DELIVERED, message.key)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        async with self._http.get(f"{self._address}/messages/{message.key}") as answer:
            return Receipt(Fate.DELIVERED, message.key) if answer.status == 200 else None

    async def phone(self, number: str) -> list[dict[str, Any]]:
        """Return the messages that this number got, oldest first."""
        async with self._http.get(f"{self._address}/phone", params={"to": number}) as answer:
            return list(await answer.json())


async def texts(channel: ProviderChannel, number: str, purpose: str, more_than: int = 0) -> list[str]:
    """Return the texts of all messages of a purpose, once there are more than `more_than`."""
    while True:
        found = [each["text"] for each in await channel.phone(number) if each["purpose"] == purpose]
        if len(found) > more_than:
            return found
        await asyncio.sleep(0.03)
