"""One signature by itself: what it is made over, and the keys that may make it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from hub.documents.pades.cms import assembled, attributes_to_sign
from qianda.verify import reasons
from qianda.verify.cms_check import BadCmsSignature, check_detached, check_timestamp
from tests.signing_parts import Pki
from tests.timestamps.openssl_tsa import OpensslTsa

DOCUMENT = b"what was signed"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey
Make = Callable[[], Key]
Stamped = tuple[bytes, bytes]  # a token over the document, and the certificate in it
Stamp = Callable[[Path], Awaitable[Stamped]]
GOOD: dict[str, Make] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
}
WEAK: dict[str, Make] = {
    "P-192": lambda: ec.generate_private_key(ec.SECP192R1()),
    "P-224": lambda: ec.generate_private_key(ec.SECP224R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "RSA-1024": lambda: rsa.generate_private_key(65537, 1024),
}
OTHER: dict[str, Make] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "DSA": lambda: dsa.generate_private_key(2048),
}


def certificate(key: Key, issuer: ec.EllipticCurvePrivateKey) -> bytes:
    above, own = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Authority", "Li Lei"))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(above, own, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def signed(key: Key, chain: list[bytes]) -> bytes:
    attributes = attributes_to_sign(hashlib.sha256(DOCUMENT).digest(), chain[0])
    if isinstance(key, rsa.RSAPrivateKey):
        value = key.sign(attributes, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        value = key.sign(attributes, ec.ECDSA(hashes.SHA256()))
    return assembled(attributes, value, chain, None)


def digest(algorithm: str) -> bytes:
    return hashlib.new(algorithm, DOCUMENT).digest()


@pytest.mark.parametrize("kind", GOOD)
def test_an_accepted_key(kind: str) -> None:
    key = GOOD[kind]()
    chain = [certificate(key, ec.generate_private_key(ec.SECP256R1()))]
    assert check_detached(signed(key, chain), digest).encoded_certificate == chain[0]


@pytest.mark.parametrize("kind", WEAK)
def test_a_key_that_is_too_weak_or_unusual(kind: str) -> None:
    key = WEAK[kind]()
    with pytest.raises(BadCmsSignature) as raised:
        check_detached(signed(key, [certificate(key, ec.generate_private_key(ec.SECP256R1()))]), digest)
    assert raised.value.reason == reasons.KEY_NOT_ACCEPTED


@pytest.mark.parametrize("kind", [*WEAK, *OTHER])
def test_no_certificate_beside_the_signers_may_have_such_a_key(kind: str) -> None:
    """It could be an authority on the way to a trusted one."""
    key, other = GOOD["P-256"](), (WEAK | OTHER)[kind]()
    issuer = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(BadCmsSignature) as raised:
        check_detached(signed(key, [certificate(key, issuer), certificate(other, issuer)]), digest)
    assert raised.value.reason == reasons.KEY_NOT_ACCEPTED


@pytest.mark.parametrize("kind", GOOD)
def test_not_one_bit_of_a_signature_can_be_changed(kind: str) -> None:
    """Of RSA, the parameters of the algorithm are neither signed nor needed."""
    key = GOOD[kind]()
    chain = [certificate(key, ec.generate_private_key(ec.SECP256R1()))]
    contents = signed(key, chain)
    start = contents.index(chain[0])
    places = [*range(start), *range(start + len(chain[0]), len(contents))]
    assert [(at, bit) for at in places for bit in range(8) if passes(contents, at, bit, check_detached)] == []


def test_another_document_than_the_signed_one() -> None:
    key = GOOD["P-256"]()
    contents = signed(key, [certificate(key, ec.generate_private_key(ec.SECP256R1()))])
    with pytest.raises(BadCmsSignature) as raised:
        check_detached(contents, lambda algorithm: hashlib.new(algorithm, b"something else").digest())
    assert raised.value.reason == reasons.DIGEST_WRONG


async def test_a_timestamp_over_something_else() -> None:
    token = await (await Pki.make()).timestamps.timestamp(digest("sha256"))
    assert check_timestamp(token, digest).time <= datetime.now(UTC)
    with pytest.raises(BadCmsSignature) as raised:
        check_timestamp(token, lambda algorithm: hashlib.new(algorithm, b"something else").digest())
    assert raised.value.reason == reasons.TIME_WRONG


async def of_the_hub(_folder: Path) -> Stamped:
    timestamps = (await Pki.make()).timestamps
    return await timestamps.timestamp(digest("sha256")), timestamps.certificates[0]


async def of_openssl(folder: Path) -> Stamped:
    service = OpensslTsa(folder / "tsa")
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest("sha256")}
    asked = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "cert_req": True})
    answer = tsp.TimeStampResp.load(await service.reply(asked.dump()))
    return answer["time_stamp_token"].dump(), service.certificate


@pytest.mark.parametrize("stamp", [of_the_hub, pytest.param(of_openssl, marks=pytest.mark.real)])
async def test_not_one_bit_of_a_timestamp_can_be_changed(tmp_path: Path, stamp: Stamp) -> None:
    """This includes its head, which neither digest nor signature covers. (Its certificate is pinned, and named by a
    hash.)"""
    token, certificate_inside = await stamp(tmp_path)
    start, padded = token.index(certificate_inside), token + bytes(3000)
    assert check_timestamp(padded, digest).encoded_certificate == certificate_inside
    places = [*range(start), *range(start + len(certificate_inside), len(token))]
    assert [(place, bit) for place in places for bit in range(8) if passes(padded, place, bit)] == []


def passes(contents: bytes, place: int, bit: int, check: Callable[..., object] = check_timestamp) -> bool:
    """Return whether the token or signature passes with this bit flipped."""
    changed = bytearray(contents)
    changed[place] ^= 1 << bit
    try:
        check(bytes(changed), digest)
    except BadCmsSignature:
        return False
    return True
