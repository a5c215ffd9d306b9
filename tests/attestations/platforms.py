"""Two platforms of our own, Android's keystore and App Attest: their roots, and every statement that they could make.

The statements are made with `cryptography` and by hand, so that the library that reads them (asn1crypto) did not write
them.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PACKAGE, FINGERPRINT = "org.example.school", ":".join(["A7"] * 32)
APPLE_APP = "A1B2C3D4E5.org.example.school"
DESCRIPTION = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")
NONCE = x509.ObjectIdentifier("1.2.840.113635.100.8.2")
PRODUCTION = b"appattest" + bytes(7)
DEVELOPMENT = b"appattestdevelop"
DAY = timedelta(days=1)


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def der_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def spki_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


@dataclass
class Issuer:
    """A root and an authority below it. `path`: where `write_root` wrote the root."""

    called: str
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        root, middle = f"{self.called} Root", f"{self.called} CA 1"
        self.root = certificate(self.root_key.public_key(), root, self.root_key, root, ca=True)
        self.middle = certificate(self.key.public_key(), middle, self.root_key, root, ca=True)

    def write_root(self, folder: Path) -> Path:
        path = folder / f"{self.called.lower().replace(' ', '-')}.pem"
        path.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        return path

    def leaf(
        self, key: ec.EllipticCurvePublicKey, oid: x509.ObjectIdentifier, content: bytes, **how: Any
    ) -> x509.Certificate:
        extra = [x509.UnrecognizedExtension(oid, content)]
        return certificate(key, "Key", self.key, f"{self.called} CA 1", extra=extra, **how)


def certificate(
    key: ec.EllipticCurvePublicKey,
    called: str,
    signer: ec.EllipticCurvePrivateKey,
    issuer: str,
    *,
    ca: bool = False,
    extra: list[x509.UnrecognizedExtension] | None = None,
    begins: timedelta = -DAY,
    ends: timedelta = 365 * DAY,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(called))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    for each in extra or []:
        builder = builder.add_extension(each, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _named(called: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, called)])


# ---- DER by hand


def tlv(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return tag + bytes([size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return tag + bytes([0x80 | len(digits)]) + digits + content


def integer(value: int) -> bytes:
    return tlv(b"\x02", value.to_bytes(value.bit_length() // 8 + 1, "big"))


def enumerated(value: int) -> bytes:
    return tlv(b"\x0a", bytes([value]))


def octets(value: bytes) -> bytes:
    return tlv(b"\x04", value)


def set_of(*values: bytes) -> bytes:
    return tlv(b"\x31", b"".join(sorted(values)))


def sequence(*values: bytes) -> bytes:
    return tlv(b"\x30", b"".join(values))


NULL = b"\x05\x00"
TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"


def tagged(number: int, content: bytes) -> bytes:
    """Return `content` with an explicit tag of the context class. Numbers from 31 on take the high form."""
    if number < 31:
        return tlv(bytes([0xA0 | number]), content)
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(0x80 | number & 0x7F)
    return tlv(b"\xbf" + bytes(reversed(digits)), content)


# ---- Android


def application(packages: tuple[str, ...] = (PACKAGE,), fingerprints: tuple[str, ...] = (FINGERPRINT,)) -> bytes:
    names = [sequence(octets(each.encode()), integer(7)) for each in packages]
    digests = [octets(bytes.fromhex(each.replace(":", ""))) for each in fingerprints]
    return octets(sequence(set_of(*names), set_of(*digests)))


def root_of_trust(locked: bytes = TRUE, boot_state: int = 0) -> bytes:
    return sequence(octets(bytes(32)), locked, enumerated(boot_state), octets(bytes(32)))


def hardware(**changes: bytes | None) -> dict[int, bytes]:
    """Return the authorisation list of a signing key that asks the person each time. `tag_504=…` replaces an entry,
    None removes it."""
    usual: dict[int, bytes | None] = {
        1: set_of(integer(2)),
        2: integer(3),
        3: integer(256),
        5: set_of(integer(4)),
        10: integer(1),
        504: integer(3),
        702: integer(0),
        704: root_of_trust(),
        705: integer(150000),
    }
    usual |= {int(name.removeprefix("tag_")): value for name, value in changes.items()}
    return {tag: value for tag, value in sorted(usual.items()) if value is not None}


def software(**changes: bytes | None) -> dict[int, bytes]:
    usual: dict[int, bytes | None] = {701: integer(1_760_000_000_000), 709: application()}
    usual |= {int(name.removeprefix("tag_")): value for name, value in changes.items()}
    return {tag: value for tag, value in sorted(usual.items()) if value is not None}


def description(
    challenge: bytes,
    *,
    level: int = 1,
    keystore_level: int = 1,
    in_software: Mapping[int, bytes] | None = None,
    in_hardware: Mapping[int, bytes] | None = None,
    more: bytes = b"",
) -> bytes:
    lists = [
        sequence(*(tagged(tag, value) for tag, value in each.items()))
        for each in (
            software() if in_software is None else in_software,
            hardware() if in_hardware is None else in_hardware,
        )
    ]
    return sequence(
        integer(300),
        enumerated(level),
        integer(300),
        enumerated(keystore_level),
        octets(challenge),
        octets(b""),
        *lists,
        *([more] if more else []),
    )


@dataclass
class Keystore(Issuer):
    """Android's keystore."""

    called: str = "Keystore"

    def attest(self, key: ec.EllipticCurvePublicKey, challenge: bytes, **how: Any) -> tuple[bytes, ...]:
        """Return the chain, from the key's certificate to the root. `how`: changes of the certificate or of its
        description."""
        life = {name: how.pop(name) for name in ("begins", "ends") if name in how}
        leaf = self.leaf(key, DESCRIPTION, description(challenge, **how), **life)
        return der_of(leaf), der_of(self.middle), der_of(self.root)

    def statement(self, key: ec.EllipticCurvePublicKey, challenge: bytes, **how: Any) -> dict[str, Any]:
        """Return the same statement in the form of the signing protocol."""
        chain = [b64encode(each).decode() for each in self.attest(key, challenge, **how)]
        return {"format": "android-key", "certificate_chain": chain}


# ---- Apple


def cbor(value: Any) -> bytes:
    """Encode whole numbers, bytes, text, lists and maps by RFC 8949."""
    match value:
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(cbor(each) for each in value)
        case _:
            return _head(5, len(value)) + b"".join(cbor(key) + cbor(each) for key, each in value.items())


def _head(kind: int, count: int) -> bytes:
    for small, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if count < 24:
            return bytes([kind << 5 | count])
        if count < 1 << 8 * size:
            return bytes([kind << 5 | small]) + count.to_bytes(size, "big")
    raise ValueError(count)


@dataclass
class AppAttestService(Issuer):
    """Apple's App Attest service. Each statement is about a new App Attest key, or about `attested`."""

    called: str = "App Attest"

    def attest(
        self,
        client_data: bytes,
        *,
        app: str = APPLE_APP,
        counter: int = 0,
        aaguid: bytes = PRODUCTION,
        flags: int = 0x40,
        credential: bytes | None = None,
        cose: Mapping[int, Any] | None = None,
        nonce: bytes | None = None,
        form: str = "apple-appattest",
        more: Mapping[str, Any] | None = None,
        attested: ec.EllipticCurvePrivateKey | None = None,
        **life: Any,
    ) -> tuple[bytes, bytes]:
        """Return the attestation object and the key id."""
        key = (attested or new_key()).public_key()
        point = point_of(key)
        key_id = hashlib.sha256(point).digest()
        named = key_id if credential is None else credential
        usual = {1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}
        signed = (
            hashlib.sha256(app.encode()).digest()
            + bytes([flags])
            + counter.to_bytes(4, "big")
            + aaguid
            + len(named).to_bytes(2, "big")
            + named
            + cbor(usual if cose is None else cose)
        )
        made = hashlib.sha256(signed + hashlib.sha256(client_data).digest()).digest() if nonce is None else nonce
        leaf = self.leaf(key, NONCE, sequence(tagged(1, octets(made))), **life)
        statement = {"x5c": [der_of(leaf), der_of(self.middle)], "receipt": b"receipt"}
        return cbor({"fmt": form, "attStmt": statement, "authData": signed, **(more or {})}), key_id

    def statement(self, key: ec.EllipticCurvePublicKey, challenge: bytes, **how: Any) -> dict[str, Any]:
        """Return a statement in the form of the signing protocol that vouches for the key with which the app signs."""
        content, key_id = self.attest(challenge + spki_of(key), **how)
        coded = {"object": b64encode(content).decode(), "key_id": b64encode(key_id).decode()}
        return {"format": "apple-appattest", **coded}
