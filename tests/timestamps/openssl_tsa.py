"""An outside timestamp service: `openssl ts -reply` behind a small handler."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from asn1crypto import pem

CONFIG = """
[tsa]
default_tsa = this
[this]
serial = serial
crypto_device = builtin
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


@dataclass
class OpensslTsa:
    """The service. It waits for `before` before each answer; with `mishear` it answers this query instead of the real
    one."""

    folder: Path
    url: str = ""
    asked: int = 0
    before: asyncio.Event = field(default_factory=asyncio.Event)
    mishear: bytes = b""
    lock_installation: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.before.set()
        (self.folder / "tsa.cnf").write_text(CONFIG)
        (self.folder / "serial").write_text("01\n")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                      "tsa.key", "-out", "tsa.pem", "-subj", f"/CN=TSA {self.folder.name}", "-days", "3650",
                      "-addext", "extendedKeyUsage=critical,timeStamping", "-addext", "keyUsage=digitalSignature",
                      "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip

    @property
    def pinned(self) -> Path:
        return self.folder / "tsa.pem"

    @property
    def certificate(self) -> bytes:
        return bytes(pem.unarmor(self.pinned.read_bytes())[2])

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OpensslTsa]:
        app = web.Application()
        app.router.add_post("/tsr", self._answer)
        async with TestServer(app) as server:
            self.url = f"http://127.0.0.1:{server.port}/tsr"
            yield self

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        query = await request.read()
        await self.before.wait()
        reply = await self.reply(self.mishear or query)
        return web.Response(body=reply, content_type="application/timestamp-reply")

    async def reply(self, query: bytes) -> bytes:
        async with self.lock_installation:  # required by its files
            return await asyncio.to_thread(self._reply, query)

    def _reply(self, query: bytes) -> bytes:
        (self.folder / "query.tsq").write_bytes(query)
        self._openssl("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
        return (self.folder / "reply.tsr").read_bytes()

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
