"""Certificates whose parts are nested too deeply for Python, or cut short, are unreadable, and no fault of the hub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hub.attestations.chains import read_chain
from hub.authorities.brought import SignerTrust, check_chain
from hub.errors import BadInput

NOW = datetime.now(UTC)
KIND_OF_NAME = bytes.fromhex("06032a0304")


def der(tag: int, content: bytes) -> bytes:
    """Return a value as DER (X.690)."""
    size = len(content).to_bytes(2, "big")
    return bytes([tag, len(content)]) + content if len(content) < 128 else bytes([tag, 0x82]) + size + content


def nested(depth: int) -> bytes:
    """Return a certificate with an alternative name of another kind, whose value is nested `depth` times."""
    value = b"\x05\x00"
    for _ in range(depth):
        value = der(0x30, value)
    return certificate(x509.SubjectAlternativeName.oid, der(0x30, der(0xA0, KIND_OF_NAME + der(0xA0, value))))


def certificate(kind: x509.ObjectIdentifier, value: bytes) -> bytes:
    """Return a certificate with an extension of this kind and value."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(days=1), NOW + timedelta(days=1))
    made = made.add_extension(x509.UnrecognizedExtension(kind, value), critical=False)
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.asyncio
async def test_a_certificate_that_is_nested_deeply_is_unreadable() -> None:
    deep, flat = nested(3000), nested(3)
    with pytest.raises(BadInput, match="cannot be read"):
        await check_chain([deep], SignerTrust((flat,), flat), NOW)
    assert read_chain([deep]) is None
    assert read_chain([flat]) is not None


@pytest.mark.asyncio
async def test_a_certificate_with_an_empty_bit_string_is_unreadable() -> None:
    empty = certificate(x509.KeyUsage.oid, b"\x03\x00")
    with pytest.raises(BadInput, match="cannot be read"):
        await check_chain([empty], SignerTrust((empty,), empty), NOW)
    assert read_chain([empty]) is None
