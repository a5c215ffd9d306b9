"""OCSP answers about single certificates, requested and read by OpenSSL, which we did not write."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from asn1crypto import ocsp as asn1_ocsp, pem
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from hub.authorities import CertificateStatus, Issued, Revoked
from hub.authorities.builtin import SIGNER_LIFE
from hub.authorities.ocsp import read_request
from hub.errors import BadInput
from hub.model.signing.authority_choice import BUILTIN
from hub.model.staff.scope import EVERYTHING
from hub.store.signing.issued_certificates import IssuedCertificate
from hub.tokens.softkey import SoftKey
from hub.web.authority import MAX_COMBINED
from tests.running import Running, running_hub
from tests.signing_parts import Pki, utc_now

pytestmark = [pytest.mark.custody, pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Asking:
    """OpenSSL's client, with the files of a running hub."""

    running: Running
    folder: Path

    @property
    def authority_url(self) -> str:
        return f"{self.running.origin}/authority/ocsp"

    def file(self, name: str, der: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(pem.armor("CERTIFICATE", der))
        return path

    async def openssl(self, *options: str | Path) -> str:
        root = self.file("root.pem", self.running.hub.pki.authority.root)
        command = ["openssl", "ocsp", "-issuer", root, "-CAfile", root, *options]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout + done.stderr

    async def request(self, der: bytes, *options: str) -> bytes:
        path = self.folder / "request.der"
        await self.openssl("-cert", self.file("asked.pem", der), "-no_nonce", "-reqout", path, *options)
        return path.read_bytes()

    async def issue(self) -> Issued:
        issued = await self.running.hub.pki.authority.enrol(SoftKey.generate("s").spki, "陈建国", "P-1", SIGNER_LIFE)
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.certificates.add(
                IssuedCertificate(BUILTIN, issued.serial, issued.certificate, tx.now, issued.not_after)
            )
        return issued


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asking]:
    async with running_hub(with_worker=False) as running:
        yield Asking(running, tmp_path_factory.mktemp("ocsp"))


async def test_openssl_hears_who_is_good_and_at_once_who_was_revoked(asking: Asking) -> None:
    issued = await asking.issue()
    leaf = asking.file("leaf.pem", issued.certificate)
    said = await asking.openssl("-url", asking.authority_url, "-cert", leaf)
    assert "Response verify OK" in said and "leaf.pem: good" in said
    async with asking.running.hub.database.transaction(EVERYTHING) as tx:
        await tx.certificates.revoke(BUILTIN, issued.serial, tx.now, "key_compromise")
    said = await asking.openssl("-url", asking.authority_url, "-sha256", "-cert", leaf)
    assert "Response verify OK" in said and "leaf.pem: revoked" in said and "keyCompromise" in said


async def test_the_seal_and_the_timestamp_service_are_answered_for(asking: Asking) -> None:
    pki = asking.running.hub.pki
    leaves = [
        asking.file(f"{name}.pem", der)
        for name, der in (("seal", pki.seal_chain[0]), ("tsa", pki.timestamps.certificates[0]))
    ]
    said = await asking.openssl("-url", asking.authority_url, "-cert", leaves[0], "-cert", leaves[1])
    assert "seal.pem: good" in said and "tsa.pem: good" in said


async def test_a_request_in_the_path_gets_the_same_answer_which_may_be_kept(asking: Asking) -> None:
    issued = await asking.issue()
    request = await asking.request(issued.certificate)
    path = quote(base64.b64encode(request).decode(), safe="")
    answers = []
    for _ in range(2):
        async with asking.running.http.get(f"{asking.authority_url}/{path}") as response:
            assert (response.status, response.content_type) == (200, "application/ocsp-response")
            assert "max-age" in response.headers["Cache-Control"]
            answers.append(await response.read())
    assert answers[0] == answers[1]
    read = ocsp.load_der_ocsp_response(answers[0])
    assert read.certificate_status is ocsp.OCSPCertStatus.GOOD and read.serial_number == issued.serial
    assert read.next_update_utc is not None and read.next_update_utc - read.this_update_utc == timedelta(hours=12)


@pytest.mark.parametrize("case", ["never issued", "other authority", "garbage", "empty"])
async def test_what_cannot_be_answered_costs_no_signature(asking: Asking, case: str) -> None:
    request = {"garbage": b"GET / HTTP/1.1", "empty": b""}.get(case)
    if request is None:
        pki = await Pki.make()
        authority = pki.authority if case == "other authority" else asking.running.hub.pki.authority
        unknown = await authority.enrol(SoftKey.generate("s").spki, "A", "1", SIGNER_LIFE)
        asking.file("other.pem", authority.root)
        request = await asking.request(unknown.certificate, "-issuer", str(asking.folder / "other.pem"))
    async with asking.running.http.post(asking.authority_url, data=request) as response:
        assert response.status == 200
        read = ocsp.load_der_ocsp_response(await response.read())
    expected = (
        ocsp.OCSPResponseStatus.MALFORMED_REQUEST
        if case in ("garbage", "empty")
        else ocsp.OCSPResponseStatus.UNAUTHORIZED
    )
    assert read.response_status is expected


@pytest_asyncio.fixture(loop_scope="module")
async def asking_alone(tmp_path: Path) -> AsyncIterator[Asking]:
    """Yield a hub that has signed nothing for others."""
    async with running_hub(with_worker=False) as running:
        yield Asking(running, tmp_path)


async def test_orders_without_end_do_not_keep_the_token_busy(asking_alone: Asking) -> None:
    """Everybody who has a contract knows a few serial numbers, and could ask about them in ever new orders."""
    asking = asking_alone
    pki, lines = asking.running.hub.pki, []
    root = x509.load_der_x509_certificate(pki.authority.root)
    for der in (pki.seal_chain[0], pki.timestamps.certificates[0], (await asking.issue()).certificate):
        for algorithm in (hashes.SHA1(), hashes.SHA256()):
            builder = ocsp.OCSPRequestBuilder()
            request = builder.add_certificate(x509.load_der_x509_certificate(der), root, algorithm).build()
            asked = asn1_ocsp.OCSPRequest.load(request.public_bytes(Encoding.DER))
            lines.append(asked["tbs_request"]["request_list"][0])
    orders = [order for length in (2, 3) for order in permutations(lines, length)]

    async def ask(order: Sequence[object]) -> tuple[str, bytes]:
        request = asn1_ocsp.OCSPRequest({"tbs_request": {"request_list": order}}).dump()
        async with asking.running.http.post(asking.authority_url, data=request) as response:
            content = await response.read()
        return asn1_ocsp.OCSPResponse.load(content)["response_status"].native, content

    once, thrice = await ask(lines[:1]), await ask(lines[:1] * 3)
    assert once == thrice and once[0] == "successful"
    answers = await asyncio.gather(*map(ask, orders))
    statuses = [status for status, _ in answers]
    assert 0 < statuses.count("successful") <= MAX_COMBINED < len(orders)
    assert set(statuses) == {"successful", "try_later"}
    assert (await ask(lines[1:2]))[0] == "successful"


async def test_one_address_does_not_use_up_what_is_signed_for_everybody(asking: Asking) -> None:
    issued = [(await asking.issue()).certificate for _ in range(4)]
    root = x509.load_der_x509_certificate(asking.running.hub.pki.authority.root)
    lines = []
    for der in issued:
        builder = ocsp.OCSPRequestBuilder().add_certificate(x509.load_der_x509_certificate(der), root, hashes.SHA1())
        asked = asn1_ocsp.OCSPRequest.load(builder.build().public_bytes(Encoding.DER))
        lines.append(asked["tbs_request"]["request_list"][0])
    pairs = list(permutations(lines, 2))

    async def ask(address: str, order: Sequence[object]) -> str:
        request = asn1_ocsp.OCSPRequest({"tbs_request": {"request_list": order}}).dump()
        headers = {"X-Forwarded-For": address}
        async with asking.running.http.post(asking.authority_url, data=request, headers=headers) as response:
            status: str = asn1_ocsp.OCSPResponse.load(await response.read())["response_status"].native
            return status

    stranger, other = "203.0.113.7", "203.0.113.8"
    answers = [await ask(stranger, pair) for pair in pairs]
    assert answers.count("successful") < len(pairs) and answers[-1] == "try_later"
    assert await ask(stranger, pairs[0]) == "successful"  # kept
    assert await ask(stranger, lines[:1]) == "successful"  # about one
    assert await ask(other, pairs[-1]) == "successful"


async def test_a_kept_answer_does_not_wait_for_one_that_is_being_signed(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, fresh = [await asking.request((await asking.issue()).certificate) for _ in range(2)]
    signing, go_on, sign = asyncio.Event(), asyncio.Event(), asking.running.hub.pki.authority.answer

    async def ask(request: bytes) -> bytes:
        async with asking.running.http.post(asking.authority_url, data=request) as response:
            return await response.read()

    async def slowly(*statuses: Any) -> bytes:
        signing.set()
        await go_on.wait()
        return await sign(*statuses)

    answer = await ask(kept)
    monkeypatch.setattr(asking.running.hub.pki.authority, "answer", slowly)
    slow = asyncio.create_task(ask(fresh))
    await signing.wait()
    try:
        assert await asyncio.wait_for(ask(kept), 60) == answer
    finally:
        go_on.set()
        await slow


async def test_a_request_for_too_many_or_by_another_hash_is_none() -> None:
    issued = await (await Pki.make()).authority.enrol(SoftKey.generate("s").spki, "A", "1", SIGNER_LIFE)
    line = {
        "req_cert": {
            "hash_algorithm": {"algorithm": "sha1"},
            "issuer_name_hash": bytes(20),
            "issuer_key_hash": bytes(20),
            "serial_number": issued.serial,
        }
    }
    strange = {"req_cert": line["req_cert"] | {"hash_algorithm": {"algorithm": "sha512"}}}
    for lines in ([line] * 21, [], [strange]):
        request = asn1_ocsp.OCSPRequest({"tbs_request": {"request_list": lines}}).dump()
        with pytest.raises(BadInput):
            read_request(request)


async def test_the_built_in_authority_knows_how_its_certificates_stand() -> None:
    authority = (await Pki.make()).authority
    issued = await authority.enrol(SoftKey.generate("s").spki, "A", "1", SIGNER_LIFE)
    revoked = [Revoked(issued.serial, utc_now(), "superseded")]
    assert await authority.status(issued.certificate) is CertificateStatus.GOOD
    assert await authority.status(issued.certificate, revoked) is CertificateStatus.REVOKED
    foreign = await (await Pki.make()).authority.enrol(SoftKey.generate("s").spki, "A", "1", SIGNER_LIFE)
    # Another authority of the same name: by name alone, its certificates would be taken for ours.
    assert (
        x509.load_der_x509_certificate(foreign.certificate).issuer
        == x509.load_der_x509_certificate(issued.certificate).issuer
    )
    assert await authority.status(foreign.certificate) is CertificateStatus.UNKNOWN
