"""Keys of apps in the signing protocol: their part in the answer to `key`, and the list of a person's devices.

`GET /sign/v1/devices` → `{devices: [{id, label, platform, attestation, level, bound_at, used_at, revoked_at, this}]}`;
`POST /sign/v1/devices/revoke {id}`. Both in a verified session.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from aiohttp import web

from hub.attestations import Statement
from hub.errors import NotFound
from hub.lifecycle.signing import device_keys
from hub.lifecycle.signing.device_keys import HeldKey, KeyEvidence
from hub.model.signing.device_key import AppKey
from hub.web.http.app_keys import HUB
from hub.web.http.security import session_secret
from hub.web.signer import schemas
from hub.web.signer.answers import iso
from hub.web.signer.schemas import body


def routes() -> Iterable[web.AbstractRouteDef]:
    return [web.get("/sign/v1/devices", devices), web.post("/sign/v1/devices/revoke", revoke)]


def presented(asked: schemas.Key) -> KeyEvidence:
    passkey = b64decode(asked.passkey) if asked.passkey is not None else None
    return KeyEvidence(_statement(asked.attestation), asked.device.replace("\x00", ""), passkey)


def _statement(said: schemas.AndroidKeyBody | schemas.AppAttestBody | None) -> Statement | None:
    match said:
        case schemas.AndroidKeyBody():
            return Statement(said.format, chain=tuple(b64decode(each) for each in said.certificate_chain))
        case schemas.AppAttestBody():
            return Statement(said.format, content=b64decode(said.object), key_id=b64decode(said.key_id))
        case None:
            return None


def bound(held: HeldKey) -> dict[str, Any]:
    """Return the part of the answer to `key` that is specific to keys of apps."""
    if held.key is None:
        return {}
    return {
        "device": str(held.key.id),
        "attestation": {"result": held.key.attestation.value, "reasons": list(held.key.reasons)},
    }


async def devices(request: web.Request) -> web.Response:
    found, mine = await device_keys.list_devices(request.app[HUB].services, session_secret(request))
    return web.json_response({"devices": [_device(each) | {"this": each.spki == mine} for each in found]})


def _device(key: AppKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "label": key.label,
        "platform": key.platform,
        "attestation": key.attestation.value,
        "level": key.level,
        "bound_at": iso(key.bound_at),
        "used_at": iso(key.used_at) if key.used_at else None,
        "revoked_at": iso(key.revoked_at) if key.revoked_at else None,
    }


async def revoke(request: web.Request) -> web.Response:
    """Revoke a device. Idempotent."""
    asked = await body(request, schemas.DeviceBody)
    try:
        device = UUID(asked.id)
    except ValueError:
        raise NotFound("there is no such device") from None
    await device_keys.revoke(request.app[HUB].services, session_secret(request), device)
    return web.json_response({})
