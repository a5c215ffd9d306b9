"""Passkeys in the signing protocol, and the report that the page has deleted its key. All need a verified session.

`GET passkeys` → `{rp_id, user, challenge, credentials, public_keys}`: the values that `navigator.credentials` needs to
make a passkey, or to ask for one that the person has. `public_keys`: the SubjectPublicKeyInfo of each of `credentials`,
in the same order.

`POST passkeys {authenticator_data, client_data}` → 201 `{credential, public_key}`: registers the passkey just made.

`POST key {…, passkey}`: the certificate names this passkey of the person, if its authority can do that.

`POST key/deleted {}`: the page reports that it has deleted the key of this session. The record keeps this as a
statement of the page.

A passkey's answer comes with the signature: `POST signature {…, assertion: {credential, authenticator_data,
client_data, signature}}`, binary values in base64. Its challenge is the SHA-256 of `to_be_signed`, and the device must
have verified its user.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable

from aiohttp import web

from hub.lifecycle.signing import passkey_confirmation, signer_certificates
from hub.lifecycle.signing.passkey_confirmation import PasskeyAnswer
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.security import session_secret
from hub.web.signer import schemas
from hub.web.signer.answers import base64, contract_id
from qianda.passkey import Assertion


def routes() -> Iterable[web.AbstractRouteDef]:
    base = "/sign/v1"
    return [
        web.get(f"{base}/passkeys", passkeys),
        web.post(f"{base}/passkeys", register),
        web.post(f"{base}/key/deleted", key_deleted),
    ]


async def passkeys(request: web.Request) -> web.Response:
    known = await passkey_confirmation.list_passkeys(
        request.app[HUB].services, session_secret(request), contract_id(request)
    )
    return web.json_response(
        {
            "rp_id": known.rp_id,
            "user": base64(known.user),
            "challenge": base64(known.challenge),
            "credentials": [base64(each.credential_id) for each in known.passkeys],
            "public_keys": [base64(each.public_key) for each in known.passkeys],
        }
    )


async def register(request: web.Request) -> web.Response:
    await request.app[RATE_LIMITS].slow_down(request, "passkeys")
    asked = await schemas.body(request, schemas.FreshPasskey)
    passkey = await passkey_confirmation.register(
        request.app[HUB].services,
        session_secret(request),
        contract_id(request),
        b64decode(asked.authenticator_data),
        b64decode(asked.client_data),
    )
    made = {"credential": base64(passkey.credential_id), "public_key": base64(passkey.public_key)}
    return web.json_response(made, status=201)


def given(asked: schemas.PasskeyAssertion | None) -> PasskeyAnswer | None:
    """Return the passkey's answer that came with a signature, or None."""
    if asked is None:
        return None
    data, said, signature = (b64decode(each) for each in (asked.authenticator_data, asked.client_data, asked.signature))
    return PasskeyAnswer(b64decode(asked.credential), Assertion(data, said, signature))


async def key_deleted(request: web.Request) -> web.Response:
    await schemas.body(request, schemas.Nothing)
    await signer_certificates.note_key_deleted(request.app[HUB].services, session_secret(request))
    return web.json_response({})
