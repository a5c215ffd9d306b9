"""Keys in software: their signatures verify with their public part."""

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
