"""A small hub that speaks the signing protocol, honestly or not: a real server, one contract, one signer."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b64decode, b64encode
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.client.prepared_parts import (
    SHOWN,
    certificate_for,
    new_certificate,
    page_content,
    prepared_over,
    signed_attributes,
)
from tests.client.vectors import changed
from tests.verify.odd_files import ODDITIES

TICKET, CODE, CONTRACT = "4J8Q2X7M3K9TB", "314159", "contract-1"
CONSENT = "我已阅读合同全文, 同意用电子签名签署。"


class HubDouble:
    """A hub with one contract.

    `lie`: what it does wrong: swapped, page, digest, certificate, attribute, consent, later-consent (another one each
    time that it is asked again), elsewhere, other-key; or the name of one of ODDITIES. "written anew" is no lie: an
    honest file, written in the same way as those. `ranges`: what it does if only the rest of the prepared file is asked
    for: ignored, as by older hubs, honoured, refused, or shifted (another part is sent); or "unneeded": the rest is in
    the answer of `prepare`.
    """

    def __init__(self, lie: str = "", *, busy: int = 0, ranges: str = "ignored") -> None:
        self.lie, self.busy, self.ranges = lie, busy, ranges
        self.sent: list[str] = []  # which parts of the prepared file
        self.session, self.challenge = "", b""
        self.refusals: list[dict[str, Any]] = []
        self.state = "OPEN"
        self.asked = 0  # how often it was asked for the contract
        self.certificates: list[bytes] = []
        self._authority = ec.generate_private_key(ec.SECP256R1())
        self._file, self._to_be_signed = b"", b""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        posts = ("open", "code", "verify", "key", "prepare", "signature", "refused", "question", "decline", "relink")
        app.add_routes([web.post(f"/sign/v1/{name}", getattr(self, f"_{name}")) for name in posts])
        app.router.add_get("/sign/v1/session", self._current)
        app.router.add_get("/sign/v1/contract", self._contract)
        app.router.add_get("/sign/v1/document.pdf", self._document)
        app.router.add_get("/sign/v1/pages/1.png", self._page)
        app.router.add_get("/files/prepared.pdf", self._prepared)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        free = request.path in ("/sign/v1/open", "/sign/v1/relink")
        if not free and request.headers.get("Authorization") != f"Bearer {self.session}":
            return problem(401, "session-not-valid")
        response: web.StreamResponse = await handler(request)
        return response

    async def _open(self, request: web.Request) -> web.Response:
        if (await request.json()).get("ticket") != TICKET:
            return problem(404, "link-not-valid")
        return web.json_response(self._new_session() | {"school": "新课堂", "campus": "合肥校区"})

    async def _code(self, _request: web.Request) -> web.Response:
        return web.Response(status=202)

    async def _verify(self, request: web.Request) -> web.Response:
        if (await request.json()) != {"code": CODE, "name": "李雷", "id_tail": "123X"}:
            return problem(403, "wrong-answer")
        self.session = secrets.token_hex(16)  # the challenge survives the rotation
        contracts = [{"id": CONTRACT, "title": "课程合同", "state": self.state}]
        return web.json_response({"session": self.session, "contracts": contracts})

    async def _current(self, _request: web.Request) -> web.Response:
        self.challenge = secrets.token_bytes(32)
        answer = {"verified": True, "contracts": [], "key_challenge": b64encode(self.challenge).decode()}
        return web.json_response(answer)

    async def _contract(self, request: web.Request) -> web.Response:
        if request.query.get("id", CONTRACT) != CONTRACT:
            return problem(404, "contract-not-found")
        self.asked += 1
        text = CONSENT + "本人放弃退费。" * (self.lie == "later-consent" and self.asked > 1)
        hashed = hashlib.sha256(text.encode() + b"?" * (self.lie == "consent")).hexdigest()
        consent = {"version": "1", "text": text, "sha256": hashed}
        answer = {"title": "课程合同", "summary": {}, "pages": 1, "signers": [], "consent": consent}
        return web.json_response(answer | {"document_sha256": hashlib.sha256(SHOWN).hexdigest()})

    async def _document(self, _request: web.Request) -> web.Response:
        return web.Response(body=SHOWN)

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(body=b"\x89PNG")

    async def _key(self, request: web.Request) -> web.Response:
        body = await request.json()
        spki = b64decode(body["spki"]) if "spki" in body else _spki_of(b64decode(body["certificate_chain"][0]))
        origin = f"http://{request.host}"
        said = b"qianda-key-v1" + self.challenge + hashlib.sha256(origin.encode()).digest() + spki
        if not self.challenge or not verifies(spki, b64decode(body["proof"]), said):
            return problem(403, "wrong-proof")
        self.challenge = b""
        key = serialization.load_der_public_key(spki)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        issued = new_certificate() if self.lie == "other-key" else certificate_for(key, self._authority)
        self.certificates.append(issued)
        return web.json_response({"certificate_chain": [b64encode(issued).decode()]})

    async def _prepare(self, request: web.Request) -> web.Response:
        if self.busy:
            self.busy -= 1
            return problem(409, "document-busy", {"Retry-After": "7"})
        body = await request.json()
        assert body["consent"] == {"version": "1", "sha256": hashlib.sha256(CONSENT.encode()).hexdigest()}
        shown = SHOWN.replace(b"\x05", b"\x06") if self.lie == "swapped" else SHOWN
        own = new_certificate() if self.lie == "certificate" else self.certificates[-1]
        also = {4: page_content(b"CNY 1.00")} if self.lie == "page" else {}
        made = prepared_over(shown, own, also=also, extra=self.lie == "attribute")
        if self.lie in ODDITIES:
            made = changed(ODDITIES[self.lie].change, own)
        if self.lie == "written anew":
            made = changed(lambda revision: None, own)
        self._file = made.file
        self._to_be_signed = signed_attributes(bytes(32), own) if self.lie == "digest" else made.to_be_signed
        link = "http://elsewhere.invalid/prepared.pdf" if self.lie == "elsewhere" else "/files/prepared.pdf"
        answer = {"request": "request-1", "expires_at": "2026-12-01T10:00:00Z", "byte_range": made.byte_range}
        to_be_signed = b64encode(self._to_be_signed).decode()
        if self.ranges == "unneeded":
            answer["update"] = b64encode(made.file[len(SHOWN) :]).decode()
        return web.json_response(answer | {"to_be_signed": to_be_signed, "prepared": link})

    async def _prepared(self, request: web.Request) -> web.Response:
        start, size = request.http_range.start, len(self._file)
        if start is None or self.ranges == "ignored":
            self.sent.append("whole")
            return web.Response(body=self._file)
        if self.ranges == "refused":
            self.sent.append("none")
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        self.sent.append("other part" if self.ranges == "shifted" else "rest")
        start -= self.ranges == "shifted"
        headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}
        return web.Response(status=206, body=self._file[start:], headers=headers)

    async def _signature(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not verifies(_spki_of(self.certificates[-1]), b64decode(body["signature"]), self._to_be_signed):
            return problem(403, "wrong-signature")
        self.state = "SIGNED"
        return web.json_response({"state": self.state})

    async def _refused(self, request: web.Request) -> web.Response:
        self.refusals.append(await request.json())
        return web.json_response({})

    async def _question(self, request: web.Request) -> web.Response:
        return web.json_response({"asked": (await request.json())["text"]})

    async def _decline(self, request: web.Request) -> web.Response:
        self.state = "DECLINED"
        return web.json_response({"state": self.state})

    async def _relink(self, _request: web.Request) -> web.Response:
        return web.Response(status=202)

    def _new_session(self) -> dict[str, str]:
        self.session, self.challenge = secrets.token_hex(16), secrets.token_bytes(32)
        return {"session": self.session, "key_challenge": b64encode(self.challenge).decode()}


def _spki_of(certificate: bytes) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return x509.load_der_x509_certificate(certificate).public_key().public_bytes(serialization.Encoding.DER, form)


def verifies(spki: bytes, raw: bytes, data: bytes) -> bool:
    key = serialization.load_der_public_key(spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    if len(raw) != 64:
        return False
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def problem(status: int, code: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": f"this is {code}"}
    return web.json_response(body, status=status, headers=headers, content_type="application/problem+json")
