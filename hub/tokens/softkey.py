"""A signing key in the memory of this process: for tests, software custody, and a seal key that no token accepts."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from hub.tokens import SignsEach

SealingPrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
MIN_RSA_BITS = 2048


class SoftKey(SignsEach):
    """A P-256 or RSA key held in software. Anybody who can read this process's memory has the key; say so wherever it
    is used."""

    def __init__(self, label: str, private_key: SealingPrivateKey) -> None:
        if not is_accepted_key(private_key):
            raise ValueError("a signing key is a P-256 key, or an RSA key from 2048 bits")
        self.label = label
        self._private_key = private_key
        self.spki = public_key_info(private_key)

    @classmethod
    def generate(cls, label: str) -> SoftKey:
        return cls(label, ec.generate_private_key(ec.SECP256R1()))

    async def sign(self, message: bytes) -> bytes:
        if isinstance(self._private_key, rsa.RSAPrivateKey):
            return self._private_key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self._private_key.sign(message, ec.ECDSA(hashes.SHA256()))

    async def check(self) -> None:
        """Do nothing: a key in memory can always sign."""


def is_accepted_key(key: SealingPrivateKey) -> bool:
    """Return whether this kind of key may sign here."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size >= MIN_RSA_BITS
    return key.curve.name == ec.SECP256R1.name


def public_key_info(key: SealingPrivateKey) -> bytes:
    """Return the public key: DER of SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
