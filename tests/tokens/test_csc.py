"""Keys at a remote signing service, by both versions of the CSC API, against certomancer-csc-dummy."""

from __future__ import annotations

import hashlib
import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from hub.errors import TokenUnavailable
from hub.plugins import seal_key
from hub.tokens import RemoteKey, TokenContext
from hub.web.pages.doctor_words import say_found
from tests.authorities.certomancer_pki import CertomancerPki
from tests.catalogues import catalogues
from tests.tokens.csc_service import PIN, SECRET, CscService

pytestmark = pytest.mark.custody
MESSAGE = b"the signed attributes"


@pytest.fixture
async def place() -> AsyncIterator[TokenContext]:
    async with aiohttp.ClientSession() as http:
        yield TokenContext(http)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> CertomancerPki:
    made = CertomancerPki(tmp_path_factory.mktemp("csc") / "pki")
    made.add_key("seal", "启明教育集团")
    made.add_key("rsa", "启明教育集团", "rsa")
    return made


@pytest.fixture
async def service(pki: CertomancerPki) -> AsyncIterator[CscService]:
    async with CscService(pki).serving() as serving:
        yield serving


async def connected(service: CscService, place: TokenContext, version: int = 1, **more: Any) -> RemoteKey:
    key = await seal_key(service.options(version, **more), place)
    assert key is not None
    return key


def verify(key: RemoteKey, signature: bytes) -> None:
    public = serialization.load_der_public_key(key.spki)
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(signature, MESSAGE, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["seal", "rsa"])
async def test_it_signs_with_its_hash_authorised(
    service: CscService, place: TokenContext, version: int, name: str
) -> None:
    key = await connected(service, place, version, name=name)
    assert key.certificates[0] == service.pki.certificate(name) and len(key.certificates) == 3
    verify(key, await key.sign(MESSAGE))
    (authorised,), (signed,) = service.asked("credentials/authorize"), service.asked("signatures/signHash")
    pinned = [b64encode(hashlib.sha256(MESSAGE).digest()).decode()]
    assert authorised["hash" if version == 1 else "hashes"] == pinned and authorised["numSignatures"] == 1
    assert signed["hash" if version == 1 else "hashes"] == pinned
    await key.check()
    assert len(service.asked("signatures/signHash")) == 1  # the check makes no signature


@pytest.mark.parametrize("version", [1, 2])
async def test_the_pin_goes_the_way_that_the_credential_names(
    service: CscService, place: TokenContext, version: int
) -> None:
    service.pin = PIN
    key = await connected(service, place, version, pin=PIN)
    verify(key, await key.sign(MESSAGE))
    without = await connected(service, place, version)
    with pytest.raises(TokenUnavailable, match="wants a PIN, and none is configured"):
        await without.sign(MESSAGE)


@pytest.mark.parametrize("version", [1, 2])
async def test_a_wrong_pin_is_tried_once_only(service: CscService, place: TokenContext, version: int) -> None:
    service.pin = PIN
    key = await connected(service, place, version, pin="999999")
    with pytest.raises(TokenUnavailable, match=r"status 400, invalid_request: .* correct seal\.pin") as first:
        await key.sign(MESSAGE)
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match=r"refused before; .* correct seal\.pin; then start again"):
            await key.sign(MESSAGE)
    assert len(service.asked("credentials/authorize")) == 1 and "999999" not in str(first.value)


@pytest.mark.parametrize("version", [1, 2])
async def test_many_signatures_at_once_try_a_wrong_pin_once(
    service: CscService, place: TokenContext, version: int, tmp_path: Path
) -> None:
    """And no other process does: there, it is the same. Both sentences are in Chinese as well."""
    service.pin, chinese = PIN, catalogues().translator("zh")
    shared = replace(place, refused_pins=tmp_path / "refused-pins")
    key = await connected(service, shared, version, pin="999999")
    with pytest.raises(TokenUnavailable) as first:
        await key.sign_all([MESSAGE, b"two", b"three"])
    assert say_found(str(first.value), chinese).startswith("签名服务拒绝了 PIN")
    for restarted in [await connected(service, shared, version, pin="999999") for _ in range(2)]:
        with pytest.raises(TokenUnavailable, match=r"refused before.* delete ") as later:
            await restarted.sign(MESSAGE)
        assert say_found(str(later.value), chinese).startswith("签名服务此前拒绝了 PIN")
    assert len(service.asked("credentials/authorize")) == 1
    right = await connected(service, shared, version, pin=PIN)
    assert len(await right.sign_all([MESSAGE, b"two", b"three"])) == 3


async def test_a_lost_reply_costs_another_call_and_nothing_else(service: CscService, place: TokenContext) -> None:
    service.lose = 1
    key = await connected(service, place)
    with pytest.raises(TokenUnavailable, match="no answer") as lost:
        await key.sign(MESSAGE)
    assert lost.value.retry
    verify(key, await key.sign(MESSAGE))
    first, second = service.asked("signatures/signHash")
    assert first["hash"] == second["hash"]


async def test_a_new_access_token_is_got_when_the_old_one_is_not_known_any_more(
    service: CscService, place: TokenContext
) -> None:
    key = await connected(service, place)
    service.tokens.clear()
    service.tokens.add("of somebody else")
    verify(key, await key.sign(MESSAGE))
    wrongs: list[dict[str, Any]] = [{"client_secret": "wrong"}, {"client_id": "", "access_token": "stolen"}]
    for wrong in wrongs:
        with pytest.raises(TokenUnavailable, match="status 401") as raised:
            await connected(service, place, **wrong)
        assert SECRET not in str(raised.value) and "stolen" not in str(raised.value)


async def test_what_is_no_signature_by_this_key_is_not_used(service: CscService, place: TokenContext) -> None:
    key, other = await connected(service, place), await connected(service, place, name="rsa")
    foreign = b64encode(await other.sign(MESSAGE)).decode()
    for signatures in ([foreign], [b64encode(bytes(64)).decode()], ["!"], [], "x", [foreign, foreign], [None]):
        service.spoil["signatures/signHash"] = {"signatures": signatures}
        with pytest.raises(TokenUnavailable):
            await key.sign(MESSAGE)
    service.spoil.clear()
    r, s = decode_dss_signature(await key.sign(MESSAGE))
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    service.spoil["signatures/signHash"] = {"signatures": [b64encode(raw).decode()]}
    verify(key, await key.sign(MESSAGE))  # some services answer r‖s


CANNOT_SEAL: list[tuple[int, dict[str, Any], str]] = [
    (1, {"authMode": "oauth2code"}, "wants a person"),
    (1, {"OTP": {"presence": "true"}, "authMode": "explicit"}, "wants a person"),
    (2, {"auth": {"mode": "explicit", "objects": [{"type": "ChallengeResponse", "id": "sms"}]}}, "wants a person"),
    (1, {"key": {"status": "disabled", "algo": ["1.2.840.10045.4.3.2"]}}, "disabled"),
    (1, {"key": {"status": "enabled", "algo": ["1.2.840.10045.4.3.4"]}}, "neither P-256 nor RSA"),
    (1, {"cert": {"certificates": ["AAAA"]}}, "cannot be read"),
    (1, {"cert": {}}, "cannot be read"),
]


@pytest.mark.parametrize(("version", "info", "why"), CANNOT_SEAL)
async def test_a_credential_that_cannot_seal(
    service: CscService, place: TokenContext, version: int, info: dict[str, Any], why: str
) -> None:
    service.spoil["credentials/info"] = info
    with pytest.raises(TokenUnavailable, match=why):
        await connected(service, place, version)


async def test_what_it_said_last_is_enough_to_start_while_it_is_away(service: CscService, place: TokenContext) -> None:
    key = await connected(service, place)
    assert SECRET not in key.info and json.loads(key.info)["credentialID"] == key.label
    service.away = True
    with pytest.raises(TokenUnavailable, match="status 503"):
        await connected(service, place)
    again = await connected(service, replace(place, kept=key.info))
    assert (again.spki, again.certificates) == (key.spki, key.certificates)
    with pytest.raises(TokenUnavailable):
        await again.check()
    service.away = False
    verify(again, await again.sign(MESSAGE))


async def test_a_service_that_does_not_answer_is_given_up(place: TokenContext, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections and never answers
        port = silent.getsockname()[1]
        entry = {"kind": "csc", "url": f"http://127.0.0.1:{port}/csc/v2", "trusted": [str(tmp_path)], "deadline": 0.2}
        with pytest.raises(TokenUnavailable, match="TimeoutError"):
            await seal_key(entry, place)


async def test_the_only_credential_of_an_account_needs_no_name(service: CscService, place: TokenContext) -> None:
    with pytest.raises(TokenUnavailable, match="not just one credential"):
        await connected(service, place, credential="")
    service.spoil["credentials/list"] = {"credentialIDs": ["school/seal"]}
    assert (await connected(service, place, credential="")).label == "school/seal"


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"kind": "csc"}, r"seal\.url"),
        ({"kind": "csc", "url": "https://x.example/csc", "trusted": ["x"]}, r"seal\.url"),
        ({"kind": "csc", "url": "https://x.example/csc/v2", "trusted": []}, r"seal\.trusted"),
        (
            {"kind": "csc", "url": "https://x.example/v2", "trusted": ["x"], "client_id": "q"},
            "token_url and client_sec",
        ),
        ({"kind": "csc", "pin_file": "/nowhere"}, r"seal\.csc\.pin_file"),
        ({"kind": "pkcs11"}, "no remote service pkcs11"),
        ({"kind": "nothing"}, "no remote service nothing"),
        ({"label": "x"}, r"seal\.label: .*\[token\]"),
    ],
)
async def test_a_wrong_section_is_named(place: TokenContext, entry: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        await seal_key(entry, place)


async def test_without_a_section_the_seal_is_on_the_token(place: TokenContext) -> None:
    assert await seal_key({}, place) is None and await seal_key({"kind": "token"}, place) is None
