"""Every kind of authority does the same: it issues, answers for what it issued, revokes, and reports the revocation.

A new file in `hub/authorities` with a function `connect` has to be added here, with a real peer.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import serialization

import hub.authorities
from hub.authorities import Authority, AuthorityContext, CertificateStatus, Issued, Revoked
from hub.plugins import AUTHORITIES, connect_plugin
from hub.tokens.softkey import SoftKey
from tests.authorities.certomancer_pki import CertomancerPki
from tests.authorities.outside_ca import SECRET, OutsideCa, RegistrationAuthority, cmp_server
from tests.signing_parts import Pki, utc_now

pytestmark = pytest.mark.custody
LIFE = timedelta(days=30)
NAME = "Chen Jianguo"


@dataclass
class Peer:
    """An authority under test. `knows`: its own CRL or responder reports what was revoked; otherwise the hub's database
    does."""

    authority: Authority
    key: SoftKey
    knows: bool = True


@asynccontextmanager
async def builtin(_: Path, __: AuthorityContext) -> AsyncIterator[Peer]:
    yield Peer((await Pki.make()).authority, SoftKey.generate("s"), knows=False)


@asynccontextmanager
async def cmp(folder: Path, place: AuthorityContext) -> AsyncIterator[Peer]:
    """Run `openssl cmp`'s mock server. It accepts a revocation and does nothing with it."""
    key = SoftKey.generate("s")
    async with RegistrationAuthority(OutsideCa(folder / "ca")).serving() as published:
        prepared = published.ca.issue(key.spki, NAME)
        with cmp_server(published.ca.folder, "-rsp_cert", str(prepared)) as server:
            entry = {
                "kind": "cmp",
                "server": server,
                "reference": "qianda",
                "secret": SECRET,
                "chain": [str(published.ca.certificate)],
            }
            yield Peer(connect_plugin(AUTHORITIES, "one", entry, place), key, knows=False)


@dataclass
class CertomancerApi:
    """Certomancer behind a JSON API of its own."""

    pki: CertomancerPki
    names: dict[str, str] = field(default_factory=dict)

    async def enrol(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = f"person-{len(self.names)}"
        der = self.pki.add(name, asked["name"], base64.b64decode(asked["key"]), asked["days"])
        self.names[f"{x509.load_der_x509_certificate(der).serial_number:x}"] = name
        return web.json_response({"certificate": base64.b64encode(der).decode()})

    async def revoke(self, request: web.Request) -> web.Response:
        self.pki.revoke(self.names[(await request.json())["serial"]])
        return web.json_response({})


@asynccontextmanager
async def http_json(folder: Path, place: AuthorityContext) -> AsyncIterator[Peer]:
    async with CertomancerPki(folder / "pki").serving() as pki:
        api, app = CertomancerApi(pki), web.Application()
        app.add_routes([web.post("/enrol", api.enrol), web.post("/revoke", api.revoke)])
        async with TestServer(app) as server:
            entry: dict[str, Any] = {
                "kind": "http_json",
                "url": f"http://127.0.0.1:{server.port}",
                "certificate": "certificate",
                "chain": [str(pki.write("issuing", "root"))],
                "enrol": {"path": "/enrol", "body": {"name": "{name}", "key": "{spki}", "days": "{days:number}"}},
                "revoke": {"path": "/revoke", "body": {"serial": "{serial_hex}"}},
            }
            yield Peer(connect_plugin(AUTHORITIES, "one", entry, place), SoftKey.generate("s"))


Made = Callable[[Path, AuthorityContext], AbstractAsyncContextManager[Peer]]
PEERS: dict[str, Made] = {"builtin": builtin, "cmp": cmp, "http_json": http_json}


def test_every_kind_is_tried_here() -> None:
    (folder,) = hub.authorities.__path__
    modules = {path.stem for path in Path(folder).glob("[a-z]*.py")}
    kinds = {name for name in modules if hasattr(import_module(f"hub.authorities.{name}"), "connect")}
    assert kinds | {"builtin"} == set(PEERS)


@pytest.mark.parametrize("kind", PEERS)
async def test_it_enrols_answers_and_revokes(kind: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http, PEERS[kind](tmp_path, AuthorityContext("one", http, utc_now)) as peer:
        one = peer.authority
        issued = await one.enrol(peer.key.spki, NAME, "P-1", LIFE)
        _holds(issued, one, peer.key)
        assert await one.status(issued.certificate) is CertificateStatus.GOOD
        stranger = await (await Pki.make()).authority.enrol(SoftKey.generate("x").spki, "A", "1", LIFE)
        assert await one.status(stranger.certificate) is CertificateStatus.UNKNOWN
        await one.revoke(issued.certificate, "key_compromise")
        if peer.knows:
            assert await one.status(issued.certificate) is CertificateStatus.REVOKED
        row = Revoked(issued.serial, utc_now(), "key_compromise")
        assert await one.status(issued.certificate, [row]) is CertificateStatus.REVOKED
        assert await one.check()


def _holds(issued: Issued, one: Authority, key: SoftKey) -> None:
    """Check that the certificate is for this key, and that the chain leads up to the root."""
    chain = [x509.load_der_x509_certificate(der) for der in issued.chain]
    assert issued.chain == (issued.certificate, *one.chain)
    for lower, upper in zip(chain, [*chain[1:], chain[-1]], strict=True):
        lower.verify_directly_issued_by(upper)
    (name,) = chain[0].subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert name.value == NAME and issued.serial == chain[0].serial_number
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    assert chain[0].public_key().public_bytes(serialization.Encoding.DER, form) == key.spki
    assert issued.not_after == chain[0].not_valid_after_utc
