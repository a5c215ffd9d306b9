"""A signing key in the memory of this process: for tests, and if software custody is configured."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class SoftKey:
    """A P-256 key held in software. Whoever can read this process's memory has the key: say so wherever it is used."""

    def __init__(self, label: str, private_key: ec.EllipticCurvePrivateKey) -> None:
        if private_key.curve.name != ec.SECP256R1.name:
            raise ValueError("a signing key is a P-256 key")
        self.label = label
        self._private_key = private_key
        self.spki = private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @classmethod
    def generate(cls, label: str) -> SoftKey:
        return cls(label, ec.generate_private_key(ec.SECP256R1()))

    async def sign(self, message: bytes) -> bytes:
        return self._private_key.sign(message, ec.ECDSA(hashes.SHA256()))

    async def check(self) -> None:
        """Do nothing: a key in memory can always sign."""
