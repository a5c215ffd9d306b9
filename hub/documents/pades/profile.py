"""The keys and certificates for which this engine writes signatures; others take the general way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.documents.pades.source import CannotUpdate

MIN_RSA_BITS: Final = 2048
MAX_CHAIN_BYTES: Final = 4096  # half of the reserved place; a timestamp with its certificates needs the rest


def check_chain(chain: Sequence[bytes]) -> None:
    """Raise CannotUpdate unless the first certificate's key is on P-256 or an RSA key, and the chain leaves room."""
    try:
        key = x509.load_der_x509_certificate(chain[0]).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CannotUpdate(f"the certificate: {error}") from error
    on_p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not on_p256 and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS):
        raise CannotUpdate("the key is neither on P-256 nor an RSA key of 2048 bits")
