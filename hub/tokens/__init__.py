"""Keys that sign for the school and its authorities: on a PKCS#11 token, or in memory (tests, software custody)."""

from __future__ import annotations

from typing import Protocol


class SigningKey(Protocol):
    """A P-256 key that can be asked to sign, wherever it is held."""

    @property
    def label(self) -> str: ...

    @property
    def spki(self) -> bytes:
        """The public key: DER of SubjectPublicKeyInfo (RFC 5480)."""
        ...

    async def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256 over `message`, in DER (RFC 3279, 2.2.3). TokenUnavailable when the key is away."""
        ...
