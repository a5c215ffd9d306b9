"""A remote signing service: certomancer-csc-dummy, which speaks version 1 of the CSC API, behind a front.

The front adds what the dummy lacks: accounts (OAuth 2.0), a PIN, the field names of version 2, and trouble.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.authorities.certomancer_pki import ARCH, CertomancerPki

CLIENT, SECRET, PIN = "qianda", "secret-of-the-account", "864209"
V2_TO_V1 = {"hashes": "hash", "hashAlgorithmOID": "hashAlgo"}


@dataclass
class CscService:
    """The service.

    `pin`: what the credential requires. `lose`: how many replies of signHash get lost. `calls`: the requests, in order.
    `spoil`: changes of answers. `tokens`: valid access tokens.
    """

    pki: CertomancerPki
    origin: str = ""
    pin: str = ""
    lose: int = 0
    away: bool = False
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    spoil: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    _dummy: str = ""

    def options(self, version: int = 1, name: str = "seal", **more: Any) -> dict[str, Any]:
        """Return the section `[seal]` of the configuration."""
        return {
            "kind": "csc",
            "url": f"{self.origin}/csc/v{version}",
            "credential": f"{ARCH}/{name}",
            "token_url": f"{self.origin}/oauth2/token",
            "client_id": CLIENT,
            "client_secret": SECRET,
            "trusted": [str(self.pki.write("root"))],
        } | more

    def asked(self, path: str) -> list[dict[str, Any]]:
        return [body for called, body in self.calls if called == path]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[CscService]:
        dummy = pytest.importorskip("csc_dummy.csc_dummy_server")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", web.NotAppKeyWarning)  # it keeps its parts under plain names
            behind = dummy.CSCWithCertomancer(self.pki.config)
        behind.register_routes()
        front = web.Application()
        front.router.add_post("/oauth2/token", self._token)
        front.router.add_post("/csc/{version}/{path:.+}", self._call)
        async with _served(behind.app) as self._dummy, _served(front) as self.origin, aiohttp.ClientSession() as http:
            self._http = http
            yield self

    async def _token(self, request: web.Request) -> web.Response:
        asked = dict(await request.post())
        if (asked["grant_type"], asked["client_id"], asked["client_secret"]) != ("client_credentials", CLIENT, SECRET):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens.add(f"T-{len(self.tokens)}")
        return web.json_response({"access_token": f"T-{len(self.tokens) - 1}", "expires_in": 3600})

    async def _call(self, request: web.Request) -> web.StreamResponse:
        path, body = request.match_info["path"], await request.json()
        self.calls.append((path, body))
        if self.away:
            return web.Response(status=503)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.json_response({"error": "invalid_token"}, status=401)
        second = request.match_info["version"] == "v2"
        if path == "credentials/authorize" and (refusal := self._refused(body, second)):
            return refusal
        answer = await self._of_the_dummy(path, body, second)
        if path == "signatures/signHash" and self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return answer

    def _refused(self, body: dict[str, Any], second: bool) -> web.Response | None:
        """Return the refusal if the credential's PIN is missing or wrong, in the terms of each version, or None."""
        if second:
            given = {each["id"]: each["value"] for each in body.get("authData", [])}.get("seal-pin", "")
        else:
            given = body.get("PIN", "")
        if given == self.pin:
            return None
        words = {"error": "invalid_request", "error_description": "Invalid parameter PIN"}
        return web.json_response(words, status=400)

    async def _of_the_dummy(self, path: str, body: dict[str, Any], second: bool) -> web.Response:
        if second:
            assert not body.keys() & set(V2_TO_V1.values()), "these are words of version 1"
            body = {V2_TO_V1.get(name, name): value for name, value in body.items()}
        async with self._http.post(f"{self._dummy}/csc/v1/{path}", json=body) as answered:
            if answered.status != 200:
                return web.json_response({"error": "invalid_request"}, status=answered.status)
            answer = await answered.json()
        if path == "credentials/info":
            self._describe(answer, second)
        return web.json_response(answer | self.spoil.get(path, {}))

    def _describe(self, answer: dict[str, Any], second: bool) -> None:
        mode = "explicit" if self.pin else "implicit"
        if second:
            del answer["authMode"]
            objects = [{"type": "Password", "id": "seal-pin", "format": "N"}] if self.pin else []
            answer["auth"] = {"mode": mode, "expression": "seal-pin", "objects": objects}
        else:
            answer["authMode"] = mode
            answer["PIN"] = {"presence": "true" if self.pin else "false"}


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}"
