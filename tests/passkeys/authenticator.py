"""An authenticator in this process, whose answers have the form in which a browser passes them on. It can also lie."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from qianda.passkey import Assertion, challenge_of

ORIGIN = "https://sign.school.example"
PRESENT, VERIFIED, SYNCED, CREDENTIAL = 0x01, 0x04, 0x08, 0x40


def client_data(kind: str, challenge: bytes, origin: str, **more: object) -> bytes:
    said = {"type": kind, "challenge": urlsafe_b64encode(challenge).rstrip(b"=").decode(), "origin": origin}
    return json.dumps(said | {"crossOrigin": False} | more, separators=(",", ":")).encode()


@dataclass
class Authenticator:
    """One passkey of `origin`. `flags`: what it says about its user. `counter`: that of its last answer."""

    origin: str = ORIGIN
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(20))

    @property
    def public_key(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.DER, form)

    def registration(self, challenge: bytes) -> tuple[bytes, bytes]:
        """Return authenticator data and client data of a new passkey."""
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.cose()
        return self._data(self.flags | CREDENTIAL) + attested, client_data("webauthn.create", challenge, self.origin)

    def confirm(self, to_be_signed: bytes, *, kind: str = "webauthn.get", **more: object) -> Assertion:
        """Confirm a request. `more`: further members of the client data."""
        data = self._data(self.flags)
        said = client_data(kind, challenge_of(to_be_signed), self.origin, **more)
        return self.signed(data, said)

    def signed(self, data: bytes, said: bytes) -> Assertion:
        message = data + hashlib.sha256(said).digest()
        if isinstance(self.key, rsa.RSAPrivateKey):
            return Assertion(data, said, self.key.sign(message, padding.PKCS1v15(), hashes.SHA256()))
        return Assertion(data, said, self.key.sign(message, ec.ECDSA(hashes.SHA256())))

    def _data(self, flags: int) -> bytes:
        rp_id = self.origin.partition("://")[2].partition(":")[0]
        return hashlib.sha256(rp_id.encode()).digest() + bytes((flags,)) + self.counter.to_bytes(4, "big")

    def cose(self) -> bytes:
        """Return the COSE_Key in the canonical CBOR of CTAP2."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            n = self.key.public_key().public_numbers().n
            size = (n.bit_length() + 7) // 8
            head = bytes.fromhex("a4010303390100 2059") + size.to_bytes(2, "big")
            return head + n.to_bytes(size, "big") + bytes.fromhex("2143010001")
        point = self.key.public_key().public_numbers()
        x, y = (value.to_bytes(32, "big") for value in (point.x, point.y))
        return bytes.fromhex("a5010203262001215820") + x + bytes.fromhex("225820") + y


def of_windows() -> Authenticator:
    """Return an authenticator with an RSA key, as Windows has."""
    return Authenticator(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
