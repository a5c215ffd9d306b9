"""A login service (OpenID Connect Core 1.0) that really checks what it is sent: client, address, code and PKCE.

Its tokens are made by PyJWT, which is another library than ours. Whoever comes is let in at once, as `person`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import BasicAuth, web
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "qianda", "a secret: with / and %"


@dataclass
class OidcServer:
    """`forge`: makes another token of the right claims. `away`: it answers 503 everywhere. `described`: what it says of
    itself besides, or instead."""

    callback: str = ""
    issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    away: bool = False
    answers_deeply: bool = False
    forge: Callable[[dict[str, Any]], str] | None = None
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    key_id: str = "first"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    described: dict[str, str] = field(default_factory=dict)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._be_away])
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._describe),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
                web.get("/keys", self._keys),
                web.get("/moved", self._move),
            ]
        )
        return app

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self.key, "RS256", headers={"kid": self.key_id})

    @web.middleware
    async def _be_away(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.away:
            raise web.HTTPServiceUnavailable
        if self.answers_deeply:
            return web.Response(text="[" * 100_000)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _describe(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            }
            | self.described
        )

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        asked = dict(request.query)
        assert asked["client_id"] == CLIENT and asked["redirect_uri"] == self.callback
        assert asked["response_type"] == "code" and "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256" and len(asked["state"]) >= 22 and len(asked["nonce"]) >= 22
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        client = BasicAuth.decode(request.headers.get("Authorization", "Basic Og=="))
        asked = self.codes.pop(str(form["code"]), None)  # a code counts once
        digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        known = (client.login, client.password) == (CLIENT, SECRET_QUOTED)
        if not known or asked is None or asked["code_challenge"] != challenge or form["redirect_uri"] != self.callback:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        token = (self.forge or self.sign)(claims | self.person)
        return web.json_response({"access_token": "of no use", "token_type": "Bearer", "id_token": token})

    async def _move(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/keys")

    async def _keys(self, _: web.Request) -> web.Response:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [key | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]})


# RFC 6749, 2.3.1: both halves are encoded as in a form before they become Basic credentials.
SECRET_QUOTED = "a%20secret%3A%20with%20%2F%20and%20%25"
