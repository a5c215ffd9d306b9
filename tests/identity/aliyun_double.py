"""A double of Aliyun's identity verification. It checks each request's signature with an independent implementation of
request signature V3, knows a few people, and keeps a ledger."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY, SECRET = "LTAI-identity", "secret-of-the-identity-account"


@dataclass
class AliyunIdentityDouble:
    """The double. `people`: (name, number) → mobile. `spoil`: if set, makes the answer instead."""

    people: dict[tuple[str, str], str]
    endpoint: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    spoil: Callable[[], web.Response] | None = None
    nonces: set[str] = field(default_factory=set)

    def options(self, **more: Any) -> dict[str, Any]:
        return {"endpoint": self.endpoint, "access_key_id": KEY, "access_key_secret": SECRET} | more

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[AliyunIdentityDouble]:
        app = web.Application()
        app.router.add_post("/", self._answer)
        async with TestServer(app) as server:
            self.endpoint = f"http://127.0.0.1:{server.port}"
            yield self

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if (trouble := self._not_ours(request, body)) is not None:
            return web.json_response({"Code": trouble, "RequestId": "R-0"}, status=400)
        asked = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        action = request.headers["x-acs-action"]
        self.asked.append((action, asked))
        if self.spoil is not None:
            return self.spoil()
        mobile = self.people.get((asked["UserName"], asked["IdentifyNum"]))
        same = mobile is not None and (action == "Id2MetaVerify" or asked["Mobile"] == mobile)
        known = any(number == asked["IdentifyNum"] for _, number in self.people)
        code = "1" if same else "2" if known else "3"
        return web.json_response(
            {
                "Code": "200",
                "Message": "success",
                "RequestId": f"R-{len(self.asked)}",
                "ResultObject": {"BizCode": code},
            }
        )

    def _not_ours(self, request: web.Request, body: bytes) -> str | None:
        stated = request.headers.get("authorization", "")
        fields = dict(part.split("=", 1) for part in stated.removeprefix("ACS3-HMAC-SHA256 ").split(",") if "=" in part)
        names = fields.get("SignedHeaders", "").split(";")
        if request.headers.get("x-acs-version") != "2019-03-07" or request.query:
            return "InvalidVersion"
        lines = [f"{name}:{request.headers.get(name, '').strip()}\n" for name in names]
        digest = hashlib.sha256(body).hexdigest()
        canonical = "\n".join(["POST", "/", "", "".join(lines), ";".join(names), digest])
        to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        expected = hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        must = {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
        if fields.get("Credential") != KEY or fields.get("Signature") != expected or not must <= set(names):
            return "SignatureDoesNotMatch"
        nonce = request.headers["x-acs-signature-nonce"]
        if nonce in self.nonces:
            return "SignatureNonceUsed"
        self.nonces.add(nonce)
        return None
