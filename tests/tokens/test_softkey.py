"""Keys in software: what they sign verifies with their public part."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub.tokens.softkey import SoftKey


async def test_a_soft_key_signs_what_openssl_and_others_verify() -> None:
    key = SoftKey.generate("seal")
    public = serialization.load_der_public_key(key.spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(await key.sign(b"message"), b"message", ec.ECDSA(hashes.SHA256()))
    assert key.label == "seal"


def test_only_p256_is_a_signing_key() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(ValueError, match="P-256"):
        SoftKey("seal", other)


def test_a_soft_key_is_read_from_pkcs8() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    assert SoftKey.from_pem("seal", pem, b"secret").spki == SoftKey("seal", private).spki
