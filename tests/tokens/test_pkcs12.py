"""Files with a key and its certificate, as authorities hand them out, read by what they hold."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from hub.errors import BadInput
from hub.tokens.pkcs12 import read_pkcs12

PASSWORD = "secret of the file"
P256 = ec.generate_private_key(ec.SECP256R1())


def certificate(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "seal")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=1))
    return builder.sign(key, SHA256())


def file_of(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, password: str = PASSWORD) -> bytes:
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"seal", key, certificate(key), None, encryption)


@pytest.mark.parametrize("password", [PASSWORD, "", "口令"])
def test_a_key_comes_with_its_certificate(password: str) -> None:
    found = read_pkcs12("seal.p12", file_of(P256, password), password)
    assert found.key.private_numbers() == P256.private_numbers()
    assert [x509.load_der_x509_certificate(each).serial_number for each in found.certificates] == [7]


def test_a_file_by_openssl_is_read(tmp_path: Path) -> None:
    key, pem = tmp_path / "key.pem", tmp_path / "seal.pem"
    key.write_bytes(P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pem.write_bytes(certificate(P256).public_bytes(Encoding.PEM))
    out = tmp_path / "seal.pfx"
    files = ["-inkey", str(key), "-in", str(pem), "-out", str(out)]
    command = ["openssl", "pkcs12", "-export", *files, "-passout", "pass:x y"]
    subprocess.run(command, check=True, capture_output=True)
    assert read_pkcs12("seal.pfx", out.read_bytes(), "x y").key.private_numbers() == P256.private_numbers()


@pytest.mark.parametrize(
    ("data", "password", "field", "words"),
    [
        (lambda: file_of(P256), "wrong", "password", "the password does not open seal.p12"),
        (lambda: file_of(P256)[:-40], PASSWORD, "file", "not a PKCS#12 file"),
        (lambda: b"-----BEGIN CERTIFICATE-----", PASSWORD, "file", "not a PKCS#12 file"),
        (lambda: b"", PASSWORD, "file", "not a PKCS#12 file"),
        (lambda: file_of(P256) + bytes(256 * 1024), PASSWORD, "file", "not a PKCS#12 file"),
        (lambda: file_of(ec.generate_private_key(ec.SECP384R1())), PASSWORD, "file", "neither P-256 nor RSA"),
        (
            lambda: pkcs12.serialize_key_and_certificates(
                None, None, certificate(P256), None, BestAvailableEncryption(PASSWORD.encode())
            ),
            PASSWORD,
            "file",
            "holds no private key",
        ),
    ],
)
def test_another_file_is_refused_with_its_reason(
    data: Callable[[], bytes], password: str, field: str, words: str
) -> None:
    with pytest.raises(BadInput, match=words) as refused:
        read_pkcs12("seal.p12", data(), password)
    assert refused.value.field == field
