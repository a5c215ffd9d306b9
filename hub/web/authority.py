"""What the built-in authority's certificates point to: its revocation list (RFC 5280) and its root certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from aiohttp import web

from hub.authorities.builtin import REVOCATION_LIST_PATH, ROOT_PATH
from hub.authorities.profile import Revoked
from hub.model.staff import EVERYTHING
from hub.wiring import Hub

KEPT = timedelta(minutes=10)
"""A list that was just signed is given to everybody: visitors do not make the token work."""


class _RevocationList:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._list = b""
        self._revoked: list[tuple[int, datetime, str]] = []
        self._made_at: datetime | None = None
        self._making = asyncio.Lock()

    async def now(self) -> bytes:
        """The list; a new one at once after a revocation. Raises TokenUnavailable."""
        parts = self._hub.parts
        async with self._making:
            async with parts.database.unit(EVERYTHING) as unit:
                revoked = await unit.certificates.revoked(parts.authority_name)
            fresh = self._made_at is not None and parts.clock() - self._made_at < KEPT
            if not fresh or revoked != self._revoked:
                entries = [Revoked(serial, at, reason) for serial, at, reason in revoked]
                self._list = await parts.authority.revocation_list(entries)
                self._made_at, self._revoked = parts.clock(), revoked
            return self._list


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    revocations = _RevocationList(hub)

    async def revoked(request: web.Request) -> web.Response:
        headers = {"Cache-Control": f"public, max-age={int(KEPT.total_seconds())}"}
        return web.Response(body=await revocations.now(), content_type="application/pkix-crl", headers=headers)

    async def root(request: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=86400"}
        return web.Response(body=hub.parts.authority.root, content_type="application/pkix-cert", headers=headers)

    return [web.get(REVOCATION_LIST_PATH, revoked), web.get(ROOT_PATH, root)]
