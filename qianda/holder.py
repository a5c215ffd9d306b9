"""The holder of a signer's private key: anything that has its public key and can sign. It is never the hub."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

P256_BYTES = 32


class Holder(Protocol):
    """A key on some device: P-256, or RSA with at least 2048 bits."""

    @property
    def spki(self) -> bytes:
        """The public key, SubjectPublicKeyInfo in DER (RFC 5480)."""

    @property
    def custody(self) -> str:
        """The claimed place of the key, not a proof: `software`, `usb-token`, `app-keystore`."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature over the SHA-256 of `data`: ECDSA as raw r‖s, 64 bytes, or RSA PKCS#1 v1.5."""


@runtime_checkable
class AppHolder(Holder, Protocol):
    """A key in an app's keystore, about which the platform can make a statement."""

    @property
    def device(self) -> str:
        """The name that the person gave the device; it is shown in the list of their devices."""

    def attestation(self, challenge: bytes) -> dict[str, Any] | None:
        """Return the platform's statement about this key for this challenge, in the form that `key` sends.

        None if the hub already has it, or if the platform makes none.
        """


class SoftwareKey:
    """A key in the memory of this process. It is lost when the process ends."""

    custody = "software"

    def __init__(self, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self._key = key or ec.generate_private_key(ec.SECP256R1())

    @property
    def spki(self) -> bytes:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(serialization.Encoding.DER, form)

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(P256_BYTES, "big") + s.to_bytes(P256_BYTES, "big")
