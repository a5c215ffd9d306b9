"""The school's own logo at the head of its pages; without one the pages show the product's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aiohttp import web

from hub.wiring import Hub

# URL of the logo; without the school's own it is a static file.
LOGO = web.AppKey("logo", str)
CACHED = {"Cache-Control": "public, max-age=31536000, immutable"}


def logo_path(hub: Hub) -> str:
    """Return the URL's path, which changes with the picture, so that browsers may cache it for ever; empty without."""
    return f"/logo/{hashlib.sha256(hub.logo).hexdigest()[:16]}.png" if hub.logo else ""


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=hub.logo, content_type="image/png", headers=CACHED)

    if hub.logo:
        yield web.get(logo_path(hub), show)
