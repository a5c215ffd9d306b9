"""Pairing of a page with the agent on the signer's computer: the page's requests, and the agent's `claim`.

For everything else the agent uses the signing protocol, with its own session as bearer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from aiohttp import web
from asn1crypto import x509

from hub.lifecycle.signing import pair_agent
from hub.lifecycle.signing.pair_agent import PairingView
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret
from hub.web.signer import schemas
from hub.web.signer.answers import base64, contract_id, iso, school_and_campus
from hub.web.signer.schemas import body


def routes() -> Iterable[web.AbstractRouteDef]:
    return [
        web.post("/sign/v1/pair", begin),
        web.get("/sign/v1/pairing", standing),
        web.post("/sign/v1/pairing/confirm", confirm),
        web.post("/sign/v1/pairing/end", end),
        web.post("/agent/v1/claim", claim),
    ]


async def begin(request: web.Request) -> web.Response:
    await body(request, schemas.Nothing)
    code, pairing = await pair_agent.begin(request.app[HUB].services, session_secret(request), contract_id(request))
    return web.json_response({"code": code, "expires_at": iso(pairing.expires_at)})


async def claim(request: web.Request) -> web.Response:
    """Claim a pairing for an agent. `origin`: the public origin of the hub, which the agent checks."""
    await request.app[RATE_LIMITS].slow_down(request, "claim")
    asked = await body(request, schemas.Claim)
    services = request.app[HUB].services
    claimed = await pair_agent.claim(services, asked.code)
    return web.json_response(
        {
            "session": claimed.secret,
            "key_challenge": base64(claimed.session.key_challenge),
            "origin": services.origin,
            "contract": str(claimed.session.contract),
            "expires_at": iso(claimed.session.expires_at),
            **school_and_campus(request, claimed.campus, claimed.language),
        }
    )


async def standing(request: web.Request) -> web.Response:
    found = await pair_agent.get_pairing(request.app[HUB].services, session_secret(request))
    return web.json_response(
        {
            "state": found.state.value,
            "expires_at": iso(found.pairing.expires_at),
            "task": found.task.value,
            "contract": str(found.pairing.contract),
            "certificate": _shown(found),
        }
    )


def _shown(found: PairingView) -> dict[str, str | None] | None:
    """Return the values by which the person recognises their certificate."""
    if found.certificate is None:
        return None
    certificate = x509.Certificate.load(found.certificate)
    return {
        "name": _part(certificate.subject, "common_name"),
        "issuer": _part(certificate.issuer, "common_name"),
        "issuer_organisation": _part(certificate.issuer, "organization_name"),
        "not_after": iso(certificate.not_valid_after),
        "sha256": hashlib.sha256(found.certificate).hexdigest(),
        "custody": found.custody,
    }


def _part(name: x509.Name, part: str) -> str:
    value = name.native.get(part)
    return value if isinstance(value, str) else name.human_friendly if part == "common_name" else ""


async def confirm(request: web.Request) -> web.Response:
    asked = await body(request, schemas.Confirm)
    await pair_agent.confirm(request.app[HUB].services, session_secret(request), asked.certificate_sha256)
    return web.json_response({})


async def end(request: web.Request) -> web.Response:
    await body(request, schemas.Nothing)
    await pair_agent.end(request.app[HUB].services, session_secret(request))
    return web.json_response({})
