"""Certificates with any names and keys, for chains as strangers may send them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    subject: str,
    of: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = True,
    more: Sequence[x509.NameAttribute[Any]] = (),
    issued_by: x509.ExtensionType | None = None,
) -> bytes:
    """Return a certificate (DER). `more`: further parts of its subject."""

    def name(text: str) -> list[x509.NameAttribute[Any]]:
        return [x509.NameAttribute(NameOID.COMMON_NAME, text)]

    made = x509.CertificateBuilder(
        x509.Name(name(issuer)),
        x509.Name([*name(subject), *more]),
        of.public_key(),
        x509.random_serial_number(),
        NOW - timedelta(days=1),
        NOW + timedelta(days=100),
    )
    made = made.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if issued_by:
        made = made.add_extension(issued_by, critical=False)
    usage = x509.KeyUsage(not ca, not ca, False, False, False, ca, ca, False, False)
    return made.add_extension(usage, critical=True).sign(by, SHA256()).public_bytes(Encoding.DER)


def of_one_name() -> tuple[bytes, list[bytes]]:
    """Return a certificate, and six of its issuer's name, which did not issue it."""
    own = key()
    others = [certificate("same", one, "same", one) for one in (key() for _ in range(6))]
    return certificate("leaf", own, "same", own, ca=False), others
