"""An outside authority: OpenSSL issues and revokes, a small server publishes the CRL and takes requests."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from asn1crypto import pem
from cryptography import x509

from bench.programs.ports import free_port

SECRET = "not-for-the-logs"
CONFIG = """
[ca]
default_ca = this
[this]
database = index.txt
default_md = sha256
default_crl_days = 7
crlnumber = crlnumber
"""


@dataclass
class OutsideCa:
    """The authority. `crl_url` is named in the certificates that it issues; a changed `usage` makes them unusable."""

    folder: Path
    name: str = "Licensed"
    crl_url: str = "http://127.0.0.1:9/revoked.crl"
    usage: str = "critical,digitalSignature,nonRepudiation"
    issued: list[str] = field(default_factory=list)
    _serial: int = 1000

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
                 "-out", "ca.pem", "-subj", f"/O={self.name}/CN={self.name} CA", "-days", "3650",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
        (self.folder / "openssl.cnf").write_text(CONFIG)
        (self.folder / "index.txt").write_text("")
        (self.folder / "crlnumber").write_text("01\n")

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def run(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def issue(self, spki: bytes, name: str, days: int = 30) -> Path:
        """Issue a certificate for a public key. Return its file (PEM)."""
        self._serial += 1
        (self.folder / "key.pem").write_bytes(pem.armor("PUBLIC KEY", spki))
        points = f"crlDistributionPoints=URI:{self.crl_url}\n" if self.crl_url else ""
        usage = f"keyUsage={self.usage}\n" if self.usage else ""
        (self.folder / "extensions").write_text(f"basicConstraints=CA:FALSE\n{usage}{points}")
        self.run("req", "-new", "-key", "ca.key", "-subj", "/CN=nobody", "-out", "request.pem")
        file = f"{self._serial}.pem"
        self.run("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-force_pubkey", "key.pem",
                 "-subj", f"/CN={name}", "-days", str(days),
                 "-set_serial", str(self._serial),
                 "-extfile", "extensions", "-out", file)  # fmt: skip
        self.issued.append(name)
        return self.folder / file

    def revoke(self, certificate: Path) -> None:
        self._ca("-revoke", certificate.name)

    def revocation_list(self) -> bytes:
        self._ca("-gencrl", "-out", "list.pem")
        _, _, der = pem.unarmor((self.folder / "list.pem").read_bytes())
        return bytes(der)

    def lists(self, serial: int) -> bool:
        """Return whether the CRL lists this certificate."""
        listed = x509.load_der_x509_crl(self.revocation_list())
        return listed.get_revoked_certificate_by_serial_number(serial) is not None

    def _ca(self, *arguments: str) -> None:
        self.run("ca", "-config", "openssl.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", *arguments)


@contextmanager
def cmp_server(folder: Path, *options: str) -> Iterator[str]:
    """Run OpenSSL's mock server for CMP, with a shared secret. Yields its address."""
    port = free_port()
    command = [
        "openssl",
        "cmp",
        "-config",
        "",
        "-port",
        str(port),
        "-srv_ref",
        "qianda",
        "-srv_secret",
        f"pass:{SECRET}",
        "-accept_raverified",
        *options,
    ]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            assert any("ACCEPT" in line for line in server.stdout)
            yield f"http://127.0.0.1:{port}/pkix/"
        finally:
            server.kill()


Answer = Callable[[dict[str, Any]], Awaitable[web.StreamResponse]]


@dataclass
class RegistrationAuthority:
    """The HTTP API of a licensed authority, with field names of its own, and its CRL."""

    ca: OutsideCa
    origin: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    answer: Answer | None = None
    answer_revocations: Answer | None = None

    def options(self, **more: Any) -> dict[str, Any]:
        """Return the authority's entry in the configuration, without its name."""
        return {
            "kind": "http_json",
            "url": f"{self.origin}/api",
            "headers": {"Authorization": "Bearer {secret}"},
            "secret": SECRET,
            "chain": [str(self.ca.certificate)],
            "certificate": "data.certificate",
            "enrol": {
                "path": "/certificates",
                "success": {"code": ["0"]},
                "refused": {"code": ["2001"]},
                "body": {
                    "applicant.name": "{name}",
                    "applicant.number": "{pseudonym}",
                    "publicKey": "{spki}",
                    "days": "{days:number}",
                    "profile": "person",
                },
            },
            "revoke": {
                "path": "/revocations",
                "body": {"serial": "{serial}", "reason": "{reason}"},
                "success": {"code": ["0"]},
            },
            "health": {"path": "/health", "method": "GET"},
        } | more

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[RegistrationAuthority]:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/certificates", self._enrol),
                web.post("/api/revocations", self._revoke),
                web.get("/api/health", self._health),
                web.get("/revoked.crl", self._list),
            ]
        )
        async with TestServer(app) as server:
            self.origin = f"http://127.0.0.1:{server.port}"
            self.ca.crl_url = f"{self.origin}/revoked.crl"
            yield self

    async def _enrol(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({"code": "1001"}, status=401)
        body = await request.json()
        self.asked.append(body)
        if self.answer is not None:
            return await self.answer(body)
        return self.issue(body)

    def issue(self, body: dict[str, Any]) -> web.Response:
        spki = base64.b64decode(body["publicKey"])
        _, _, der = pem.unarmor(self.ca.issue(spki, body["applicant"]["name"], body["days"]).read_bytes())
        return web.json_response({"code": 0, "data": {"certificate": base64.b64encode(der).decode()}})

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if self.answer_revocations is not None:
            return await self.answer_revocations(body)
        self.ca.revoke(self.ca.folder / f"{body['serial']}.pem")
        return web.json_response({"code": 0})

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"code": 0})

    async def _list(self, request: web.Request) -> web.Response:
        return web.Response(body=self.ca.revocation_list(), content_type="application/pkix-crl")
