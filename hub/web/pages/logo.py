"""Serve the school's own logo for the head of its pages. Without one, the pages show the product's logo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aiohttp import web

from hub.wiring import Hub

# The URL of the logo. Without the school's own logo, it is that of a static file.
LOGO = web.AppKey("logo", str)
CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}


def logo_path(hub: Hub) -> str:
    """Return the path of the logo's URL; empty without a logo. It changes with the picture, so that browsers may cache
    it forever."""
    return f"/logo/{hashlib.sha256(hub.logo).hexdigest()[:16]}.png" if hub.logo else ""


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=hub.logo, content_type="image/png", headers=CACHED)

    if hub.logo:
        yield web.get(logo_path(hub), show)
