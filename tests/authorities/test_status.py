"""What certomancer says of its certificates, by CRL and by OCSP, and how much of it is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from asn1crypto import ocsp
from cryptography import x509

from hub.authorities.ocsp_client import OcspClient
from hub.authorities.revocation import RevocationClient, Status
from hub.errors import AuthorityUnavailable, CertificateNotTrusted
from hub.tokens.softkey import SoftKey
from tests.authorities.certomancer_pki import BOTH, CertomancerPki
from tests.signing_parts import utc_now

pytestmark = pytest.mark.custody
Changed = Callable[[bytes, bytes], Awaitable[bytes]]


@pytest.fixture
async def pki(tmp_path: Path) -> AsyncIterator[CertomancerPki]:
    async with CertomancerPki(tmp_path / "pki").serving() as serving:
        yield serving


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def person(pki: CertomancerPki, names: Sequence[str] = BOTH, name: str = "person") -> tuple[bytes, ...]:
    """Return a chain up to the root. Its first certificate contains the addresses where its status can be asked for."""
    pki.names = names
    pki.add(name, "陈建国", SoftKey.generate("s").spki)
    return chain(pki, name)


def chain(pki: CertomancerPki, name: str = "person") -> tuple[bytes, ...]:
    return tuple(pki.certificate(each) for each in (name, "issuing", "root"))


async def status(
    http: aiohttp.ClientSession, certificates: tuple[bytes, ...], later: timedelta = timedelta(0)
) -> Status:
    return await RevocationClient(http, lambda: utc_now() + later).of(certificates)


@pytest.mark.parametrize("names", [BOTH, ("list",), ("ocsp",)])
async def test_good_and_revoked_by_whatever_it_names(
    pki: CertomancerPki, http: aiohttp.ClientSession, names: tuple[str, ...]
) -> None:
    found = await status(http, person(pki, names))
    assert not found.revoked
    assert (len(found.lists), len(found.answers)) == (2 if "list" in names else 1, 1 if "ocsp" in names else 0)
    soon = utc_now() + timedelta(minutes=11)
    assert (found.next_update < soon) is ("ocsp" in names)  # the OCSP answer expires before the list
    pki.revoke("person")
    assert (await status(http, chain(pki))).revoked


async def test_one_of_both_is_enough_and_none_is_not(pki: CertomancerPki, http: aiohttp.ClientSession) -> None:
    certificates, (issuing, root) = person(pki), chain(pki)[1:]
    pki.silent = "/ocsp/"
    found = await status(http, certificates)
    assert (len(found.lists), len(found.answers)) == (2, 0)
    pki.silent = "/crls/issuing"
    found = await status(http, certificates)
    assert (len(found.lists), len(found.answers)) == (1, 1)
    pki.silent = "/"
    with pytest.raises(AuthorityUnavailable, match="answered 503"):
        await status(http, certificates)
    with pytest.raises(CertificateNotTrusted, match="neither list nor OCSP"):
        await status(http, (person(pki, (), "other")[0], issuing, root))


async def test_an_answer_that_is_stale_is_not_taken(pki: CertomancerPki, http: aiohttp.ClientSession) -> None:
    certificates = person(pki, ("ocsp",))
    for later in (timedelta(minutes=11), timedelta(minutes=-6)):
        with pytest.raises(AuthorityUnavailable, match="not of now"):
            await status(http, certificates, later)


@asynccontextmanager
async def in_the_way(pki: CertomancerPki, changed: Changed) -> AsyncIterator[str]:
    """Run a proxy between us and the responder. Yields its address."""

    async def handle(request: web.Request) -> web.Response:
        question = await request.read()
        async with (
            aiohttp.ClientSession() as behind,
            behind.post(f"{pki.origin}/school/ocsp/issuing", data=question) as answered,
        ):
            return web.Response(body=await changed(question, await answered.read()))

    app = web.Application()
    app.router.add_post("/", handle)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/"


async def asked(
    pki: CertomancerPki, http: aiohttp.ClientSession, changed: Changed, clock: Callable[[], datetime] = utc_now
) -> None:
    leaf, issuer, _ = (x509.load_der_x509_certificate(der) for der in chain(pki))
    async with in_the_way(pki, changed) as address:
        await OcspClient(http, clock).ask(address, leaf, issuer)


async def test_an_answer_on_its_way_is_taken_as_it_is_and_not_otherwise(
    pki: CertomancerPki, http: aiohttp.ClientSession
) -> None:
    person(pki)
    first: list[bytes] = []

    async def untouched(_: bytes, answer: bytes) -> bytes:
        first.append(answer)
        return answer

    async def replayed(_: bytes, __: bytes) -> bytes:
        return first[0]

    async def turned(_: bytes, answer: bytes) -> bytes:
        parsed = ocsp.OCSPResponse.load(answer)
        basic = parsed["response_bytes"]["response"].parsed
        signature = bytearray(basic["signature"].native)
        signature[-1] ^= 1
        basic["signature"] = bytes(signature)
        parsed["response_bytes"]["response"] = ocsp.BasicOCSPResponse.load(basic.dump(force=True))
        return bytes(parsed.dump(force=True))

    async def refused(_: bytes, __: bytes) -> bytes:
        return b"\x30\x03\x0a\x01\x03"  # OCSP status tryLater

    async def garbage(_: bytes, __: bytes) -> bytes:
        return b"<html>busy</html>"

    await asked(pki, http, untouched)
    for changed, why in ((replayed, "nonce"), (turned, "signature"), (refused, "try_later"), (garbage, ".")):
        with pytest.raises(ValueError, match=why):
            await asked(pki, http, changed)


async def test_somebody_elses_answer_is_not_taken(
    pki: CertomancerPki, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Answers of another authority of the same name, and this authority's answers about another certificate, are
    refused."""
    person(pki)
    person(pki, name="neighbour")
    namesake = CertomancerPki(tmp_path / "namesake")
    async with namesake.serving():
        person(namesake)

        async def from_the_namesake(question: bytes, _: bytes) -> bytes:
            async with http.post(f"{namesake.origin}/school/ocsp/issuing", data=question) as answered:
                return await answered.read()

        with pytest.raises(ValueError, match=r"."):
            await asked(pki, http, from_the_namesake)

    async def about_the_neighbour(question: bytes, _: bytes) -> bytes:
        parsed = ocsp.OCSPRequest.load(question)
        serial = x509.load_der_x509_certificate(pki.certificate("neighbour")).serial_number
        parsed["tbs_request"]["request_list"][0]["req_cert"]["serial_number"] = serial
        async with http.post(f"{pki.origin}/school/ocsp/issuing", data=parsed.dump(force=True)) as answered:
            return await answered.read()

    with pytest.raises(ValueError, match="another certificate"):
        await asked(pki, http, about_the_neighbour)
