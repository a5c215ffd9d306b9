"""Everything for signers: the signing protocol `/sign/v1/*`, the landing page of a link, and the signing pages."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.web.signer import pages
from hub.web.signer.contract import copies, reading
from hub.web.signer.school import poster
from hub.web.signer.signing import answering, device_keys, landing, pairing, passkeys, protocol, share_link


def routes(hub: object) -> Iterable[web.AbstractRouteDef]:
    yield from landing.routes()
    yield from poster.routes()
    yield from protocol.routes()
    yield from answering.routes()
    yield from passkeys.routes()
    yield from pairing.routes()
    yield from device_keys.routes()
    yield from reading.routes()
    yield from copies.routes()
    yield from pages.routes()
    yield from share_link.routes()
