"""Limit this engine to the keys and certificates that it can write signatures for; pyHanko writes the others."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.documents.pades.plan import CannotUpdate
from hub.documents.signing.signature import MAX_TOKEN_BYTES, RESERVED_HEX_DIGITS
from hub.errors import WrongDocument
from qianda.certificate_loading import load_certificate

MIN_RSA_BITS: Final = 2048
MAX_CHAIN_BYTES: Final = 32_768
CHAINS_KEPT: Final = 16  # the seal's chain is needed for each contract
BESIDE_CHAIN: Final = MAX_TOKEN_BYTES + 1024  # bytes: timestamp, signed attributes and the signature's value


def check_chain(chain: tuple[bytes, ...]) -> None:
    """Raise CannotUpdate unless the first certificate's key is on P-256 or is an RSA key of at least 2048 bits."""
    try:
        key = load_certificate(chain[0]).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CannotUpdate(f"the certificate: {error}") from error
    on_p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    if not on_p256 and not (isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS):
        raise CannotUpdate("the key is neither on P-256 nor an RSA key of 2048 bits")


@lru_cache(CHAINS_KEPT)
def digits_for(chain: tuple[bytes, ...]) -> int:
    """Return how many hexadecimal digits to reserve for a signature with these certificates and a timestamp.

    Raises what `check_chain` raises, and WrongDocument for a chain that is too long, so that this is noticed before
    anybody has signed.
    """
    check_chain(chain)
    size = sum(map(len, chain))
    if size > MAX_CHAIN_BYTES:
        raise WrongDocument(f"the certificates have {size:,} bytes, and {MAX_CHAIN_BYTES:,} are allowed")
    return max(RESERVED_HEX_DIGITS, 2 * (size + BESIDE_CHAIN))
