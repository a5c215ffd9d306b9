"""The signer's way: the signing protocol `/sign/v1/*`, the landing page behind a link, the pages up to the end."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.web.signer import confirming, devices, landing, pairing, poster, protocol, reading, way, ways


def routes(hub: object) -> Iterable[web.AbstractRouteDef]:
    yield from landing.routes()
    yield from poster.routes()
    yield from protocol.routes()
    yield from confirming.routes()
    yield from pairing.routes()
    yield from devices.routes()
    yield from reading.routes()
    yield from way.routes()
    yield from ways.routes()
