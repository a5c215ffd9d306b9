"""The school's seal at a separate signing service (CSC API, version 2) in front of a SoftHSM token. The raw ledger is
the token's: each hash that it signed, and the signature.

python -m bench.services.seal FOLDER --ledger LEDGER --authority http://… --organisation NAME
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any, cast

import aiohttp
import pkcs11
from aiohttp import web
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.types import SignMixin
from pkcs11.util.ec import encode_ec_public_key, encode_ecdsa_signature, encode_named_curve_parameters

from bench.services import SEAL_ACCESS, SEAL_CREDENTIAL
from bench.services.program import Service, run
from hub.tokens.softhsm import create_token, module_path
from tests.channels.doubles.ledger import Ledger

LABEL, PIN = "bench-seal", "864209"
ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
LIFE_DAYS = 730


class SealServiceKey:
    """A key that is generated on the token and stays there. The token is given hashes and returns signatures (r‖s)."""

    def __init__(self, folder: Path) -> None:
        create_token(folder, LABEL, PIN)
        self._session = pkcs11.lib(str(module_path())).get_token(token_label=LABEL).open(rw=True, user_pin=PIN)
        curve: dict[Attribute, Any] = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        parameters = self._session.create_domain_parameters(KeyType.EC, curve, local=True)
        public, private = parameters.generate_keypair(store=True, label="seal")
        self.spki, self._private = encode_ec_public_key(public), cast(SignMixin, private)

    def sign(self, digest: bytes) -> bytes:
        return bytes(self._private.sign(digest, mechanism=Mechanism.ECDSA))


class SealService:
    """The signing service. Each signature is authorised separately and only for its hash, and is in the ledger before
    it is sent."""

    losing = frozenset({"/csc/v2/signatures/signHash"})

    def __init__(self, arguments: argparse.Namespace, ledger: Ledger) -> None:
        self._key, self._ledger = SealServiceKey(arguments.folder.resolve()), ledger
        self._authority, self._organisation = arguments.authority, arguments.organisation
        self._certificate = b""
        self._authorised: dict[str, list[str]] = {}

    async def started(self, origin: str) -> None:
        asked = {
            "name": self._organisation,
            "publicKey": base64.b64encode(self._key.spki).decode(),
            "days": LIFE_DAYS,
            "purpose": "seal",
        }
        while not self._certificate:  # replies of the authority get lost, too
            try:
                self._certificate = await _certificate(f"{self._authority}/certificates", asked)
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)

    def routes(self) -> list[web.RouteDef]:
        paths = {
            "credentials/info": self._info,
            "credentials/authorize": self._authorize,
            "signatures/signHash": self._sign,
        }
        return [web.post(f"/csc/v2/{path}", act) for path, act in paths.items()]

    async def _info(self, request: web.Request) -> web.Response:
        await self._asked(request)
        return web.json_response(
            {
                "key": {"status": "enabled", "algo": [ECDSA_WITH_SHA256], "len": 256},
                "cert": {"status": "valid", "certificates": [base64.b64encode(self._certificate).decode()]},
                "auth": {"mode": "implicit"},
                "SCAL": "2",
                "multisign": 1,
            }
        )

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        activation = secrets.token_urlsafe(16)
        self._authorised[activation] = asked["hashes"]
        return web.json_response({"SAD": activation, "expiresIn": 300})

    async def _sign(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        if self._authorised.pop(asked["SAD"], None) != asked["hashes"] or asked["signAlgo"] != ECDSA_WITH_SHA256:
            return web.json_response({"error": "invalid_request"}, status=400)
        (digest,) = (base64.b64decode(each) for each in asked["hashes"])
        value = encode_ecdsa_signature(self._key.sign(digest))
        self._ledger.write("signed", digest=digest.hex(), signature_sha256=hashlib.sha256(value).hexdigest())
        return web.json_response({"signatures": [base64.b64encode(value).decode()]})

    async def _asked(self, request: web.Request) -> dict[str, Any]:
        asked: dict[str, Any] = await request.json()
        if request.headers.get("Authorization") != f"Bearer {SEAL_ACCESS}" or asked["credentialID"] != SEAL_CREDENTIAL:
            raise web.HTTPUnauthorized
        return asked


async def _certificate(address: str, asked: dict[str, Any]) -> bytes:
    async with aiohttp.ClientSession() as http, http.post(address, json=asked) as answer:
        return base64.b64decode((await answer.json())["certificate"])


def make(arguments: argparse.Namespace, ledger: Ledger) -> Service:
    return SealService(arguments, ledger)


if __name__ == "__main__":
    run(make, "authority", "organisation")
