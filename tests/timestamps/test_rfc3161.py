"""The client for outside services: the answer of a wrong, late or refusing service is never used."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from asn1crypto import cms, tsp

from hub.errors import TimestampUnavailable
from hub.plugins import TIMESTAMPS, connect_plugin
from hub.timestamps import TimestampContext
from hub.timestamps.builtin import BuiltinTimestamps
from hub.timestamps.rfc3161 import PinnedService, Rfc3161Timestamps
from hub.tokens.softkey import SoftKey
from tests.signing_parts import Pki, expired_timestamps, utc_now
from tests.timestamps.conftest import Service, changed, reply

DIGEST = hashlib.sha256(b"signature value").digest()


async def test_an_honest_answer_is_a_token_over_the_digest(client: Rfc3161Timestamps, service: Service) -> None:
    token = cms.ContentInfo.load(await client.timestamp(DIGEST))
    info = token["content"]["encap_content_info"]["content"].parsed
    assert info["message_imprint"]["hashed_message"].native == DIGEST
    asked = tsp.TimeStampReq.load(service.requests[0])
    assert asked["cert_req"].native
    await client.timestamp(DIGEST)
    assert asked["nonce"].native != tsp.TimeStampReq.load(service.requests[1])["nonce"].native


async def test_the_authority_above_the_service_may_be_pinned_instead(service: Service, pki: Pki) -> None:
    async with aiohttp.ClientSession() as session:
        await Rfc3161Timestamps(session, PinnedService(service.url, [pki.authority.root]), utc_now).timestamp(DIGEST)


async def refused(client: Rfc3161Timestamps, reason: str) -> None:
    with pytest.raises(TimestampUnavailable, match=reason) as raised:
        await client.timestamp(DIGEST)
    assert raised.value.retry


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("nonce", 4711, "nonce is not ours"),
        (
            "message_imprint",
            {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
            "over something else",
        ),
        (
            "message_imprint",
            {"hash_algorithm": {"algorithm": "sha512"}, "hashed_message": bytes(64)},
            "over something else",
        ),
    ],
    ids=["nonce", "imprint", "algorithm"],
)
async def test_an_answer_to_another_request_is_refused(
    client: Rfc3161Timestamps, service: Service, part: str, value: object, reason: str
) -> None:
    async def mixed_up(request: bytes) -> web.Response:
        return reply(await service.responder.respond(changed(request, **{part: value})))

    service.answer = mixed_up
    await refused(client, reason)


@pytest.mark.parametrize("late", [timedelta(minutes=-6), timedelta(minutes=6), timedelta(days=400)])
async def test_a_time_that_is_not_now_is_refused(
    client: Rfc3161Timestamps, service: Service, pki: Pki, late: timedelta
) -> None:
    key = pki.timestamps._key
    service.responder = BuiltinTimestamps(key, pki.timestamps.certificates, lambda: utc_now() + late)
    await refused(client, "differs from our clock")


async def test_another_authority_than_the_pinned_one_is_refused(client: Rfc3161Timestamps, service: Service) -> None:
    service.responder = (await Pki.make()).timestamps
    await refused(client, "somebody else|cannot be used")


async def test_a_certificate_that_is_not_for_timestamps_is_refused(service: Service, pki: Pki) -> None:
    key = SoftKey.generate("signer")
    signer = await pki.authority.enrol(key.spki, "A", "1")
    service.responder = BuiltinTimestamps(key, signer.chain, utc_now)
    async with aiohttp.ClientSession() as session:
        await refused(
            Rfc3161Timestamps(session, PinnedService(service.url, [pki.authority.root]), utc_now),
            "somebody else|cannot",
        )


async def test_a_service_whose_certificate_has_ended_is_refused(service: Service, pki: Pki) -> None:
    """It is the pinned one, which no path leads to. `qianda verify` would refuse all contracts with its timestamps."""
    service.responder = await expired_timestamps(pki)
    async with aiohttp.ClientSession() as session:
        pinned = PinnedService(service.url, service.responder.certificates[:1])
        await refused(Rfc3161Timestamps(session, pinned, utc_now), "not valid at that time")


async def test_a_broken_signature_is_refused(client: Rfc3161Timestamps, service: Service, pki: Pki) -> None:
    service.responder = BuiltinTimestamps(SoftKey.generate("other"), pki.timestamps.certificates, utc_now)
    await refused(client, "signature is wrong")


async def test_a_service_does_not_lead_the_hub_elsewhere(client: Rfc3161Timestamps, service: Service) -> None:
    async def elsewhere(_request: bytes) -> web.Response:
        service.answer = None
        raise web.HTTPTemporaryRedirect(service.url)

    service.answer = elsewhere
    await refused(client, "status 307")
    assert len(service.requests) == 1


async def test_a_rejection_is_passed_on_with_its_reason(client: Rfc3161Timestamps, service: Service) -> None:
    async def rejecting(_request: bytes) -> web.Response:
        return reply(await service.responder.respond(b"not a request"))

    service.answer = rejecting
    await refused(client, "refused: rejection|cannot be used")


def status_500(_answer: bytes) -> web.Response:
    return reply(b"", status=500)


def garbage(_answer: bytes) -> web.Response:
    return reply(b"<html>busy</html>")


def cut_off(answer: bytes) -> web.Response:
    return reply(answer[:-10])


def endless(_answer: bytes) -> web.Response:
    return reply(bytes(200_000))


@pytest.mark.parametrize("spoil", [status_500, garbage, cut_off, endless])
async def test_what_is_no_timestamp_answer_is_refused(
    client: Rfc3161Timestamps, service: Service, spoil: Callable[[bytes], web.Response]
) -> None:
    async def spoiled(request: bytes) -> web.Response:
        return spoil(await service.responder.respond(request))

    service.answer = spoiled
    await refused(client, "status 500|cannot be used|too long")


async def test_a_service_that_is_late_is_given_up(service: Service, pki: Pki) -> None:
    asked = asyncio.Event()

    async def silent(_request: bytes) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    service.answer = silent
    async with aiohttp.ClientSession() as session:
        hurried = Rfc3161Timestamps(session, PinnedService(service.url, pki.timestamps.certificates, 0.2), utc_now)
        await refused(hurried, "did not answer: TimeoutError$")
    assert asked.is_set()


async def test_a_service_that_is_not_there_is_unavailable(pki: Pki) -> None:
    async with aiohttp.ClientSession() as session:
        nobody = Rfc3161Timestamps(
            session, PinnedService("http://127.0.0.1:9/tsa", pki.timestamps.certificates), utc_now
        )
        await refused(nobody, "did not answer: Cannot connect to host 127.0.0.1:9 ")


async def test_a_service_with_basic_authentication_gets_name_and_password(
    service: Service, pki: Pki, tmp_path: Path
) -> None:
    pinned, secret = tmp_path / "tsa.pem", tmp_path / "password"
    pinned.write_text(ssl.DER_cert_to_PEM_cert(pki.timestamps.certificates[0]))
    secret.write_text("pass:word\n")
    entry = {"kind": "rfc3161", "url": service.url, "certificates": [pinned], "username": "school"}
    async with aiohttp.ClientSession() as session:
        context = TimestampContext("tsa", session, utc_now, _ignore)
        known = connect_plugin(TIMESTAMPS, "tsa", entry | {"password_file": str(secret)}, context)
        assert await known.timestamp(DIGEST)
        with pytest.raises(ValueError, match=r"timestamps\.tsa\.colour: "):
            connect_plugin(TIMESTAMPS, "tsa", entry | {"colour": "red"}, context)
    (given,) = service.logins
    assert base64.b64decode(given.removeprefix("Basic ")) == b"school:pass:word"


async def _ignore(_difference: timedelta) -> None:
    """Tell nobody."""


@pytest.mark.parametrize(
    "content", [b"", b"\x30\x82\x01\x0a", b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"]
)
async def test_a_pinned_file_without_a_certificate_is_named_with_its_entry(content: bytes, tmp_path: Path) -> None:
    pinned = tmp_path / "tsa.pem"
    pinned.write_bytes(content)
    entry = {"kind": "rfc3161", "url": "http://127.0.0.1:9/", "certificates": [pinned]}
    async with aiohttp.ClientSession() as session:
        context = TimestampContext("tsa", session, utc_now, _ignore)
        with pytest.raises(ValueError, match=rf"timestamps\.tsa: {pinned}: no certificate in PEM"):
            connect_plugin(TIMESTAMPS, "tsa", entry, context)
