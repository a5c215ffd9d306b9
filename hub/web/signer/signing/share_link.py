"""Give the signer's link for continuing on another device: to copy, as a QR code, and for the school's app.

`POST link {}` → `{url, qr_png, app_address}`, in a verified session. On the other device, a code has to be verified
again.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from hub.lifecycle.signing.entry.hand_out_link import WantedLink, hand_out_link
from hub.lifecycle.signing.entry.open_link import begin_visit
from hub.model.signing.link import DoorKind
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret
from hub.web.signer import schemas
from hub.web.signer.answers import base64, contract_id
from hub.web.signer.signing.landing import offered


def routes() -> Iterable[web.AbstractRouteDef]:
    return [web.post("/sign/v1/link", link)]


async def link(request: web.Request) -> web.Response:
    await request.app[RATE_LIMITS].slow_down(request, "relink")
    await schemas.body(request, schemas.Nothing)
    services = request.app[HUB].services
    async with begin_visit(services.database, session_secret(request), contract_id(request)) as (tx, visiting):
        contract, signer, actor = visiting.contract.id, visiting.signer.id, visiting.actor
        copied = await hand_out_link(services, tx, WantedLink(contract, signer, DoorKind.COPY), actor)
        scanned = await hand_out_link(services, tx, WantedLink(contract, signer, DoorKind.QR), actor)
    place = "/".join(copied.rendering.url.rsplit("/", 2)[1:])
    return web.json_response(
        {
            "url": copied.rendering.url,
            "qr_png": base64(scanned.rendering.png or b""),
            "app_address": offered(request)["app_address"].replace("{place}", place),
        }
    )
