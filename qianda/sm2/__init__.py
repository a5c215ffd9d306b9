"""SM2 signatures and the hash SM3, for verifying and for keys in software.

libcrypto of OpenSSL 3 is used if the system has it, because it signs seven times as fast as gmssl-pyx, which is the
alternative. Source: GB/T 32918.2 (SM2), GB/T 32905 (SM3), GB/T 35276 (the signer's ID and the encoding).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from typing import Protocol

from qianda import der

# The usual signer ID, used unless two parties agreed on another one (GB/T 35276, 10).
DEFAULT_ID = b"1234567812345678"
SIGNATURE_OID = "1.2.156.10197.1.501"  # SM2 with SM3
CURVE_OID = "1.2.156.10197.1.301"
SM3_OID = "1.2.156.10197.1.401"
NUMBER_BYTES = 32
# SubjectPublicKeyInfo of an SM2 key up to the point: id-ecPublicKey with the curve sm2p256v1.
_SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
_POINT_BYTES = 1 + 2 * NUMBER_BYTES


class NoSm2(Exception):
    """No library on this machine supports SM2 and SM3."""

    def __init__(self) -> None:
        super().__init__(
            "SM2 needs libcrypto of OpenSSL 3 or the package gmssl-pyx; neither is there (pip install gmssl-pyx)."
        )


class Engine(Protocol):
    """A library that computes SM2. Keys and signatures are raw: a point x‖y, a number, DER of SEQUENCE {r, s}."""

    name: str

    def verify(self, point: bytes, message: bytes, signature: bytes) -> bool: ...

    def signer(self, private_key: bytes, point: bytes) -> Callable[[bytes], bytes]:
        """Return a function that signs with this key."""
        ...

    def generate(self) -> tuple[bytes, bytes]:
        """Return a new private key and its point."""
        ...


@cache
def engine() -> Engine:
    """Return the fastest engine of this machine. Raises NoSm2."""
    from qianda.sm2.libcrypto import load_libcrypto  # looks for a system library, so only when needed

    if found := load_libcrypto():
        return found
    try:
        from qianda.sm2.with_gmssl import GmsslEngine  # an optional package
    except ImportError as error:
        raise NoSm2 from error
    return GmsslEngine()


def sm3(data: bytes) -> bytes:
    """Return the SM3 hash. Raises NoSm2."""
    try:
        return hashlib.new("sm3", data).digest()
    except ValueError:  # Python's own OpenSSL was built without it
        pass
    try:
        from gmssl_pyx import sm3_hash  # an optional package
    except ImportError as error:
        raise NoSm2 from error
    return bytes(sm3_hash(data))


def verify(spki: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether the signature (DER, or raw r‖s) over the message matches the key. Raises NoSm2."""
    point = read_spki(spki)
    encoded = der_signature(signature)
    return point is not None and encoded is not None and engine().verify(point, message, encoded)


def read_spki(spki: bytes) -> bytes | None:
    """Return the point x‖y of an SM2 key; None for another kind of key."""
    if len(spki) != len(_SPKI_HEAD) + _POINT_BYTES or not spki.startswith(_SPKI_HEAD):
        return None
    point = spki[len(_SPKI_HEAD) :]
    return point[1:] if point[0] == 4 else None


def write_spki(point: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) of the point x‖y."""
    return _SPKI_HEAD + b"\x04" + point


def der_signature(signature: bytes) -> bytes | None:
    """Return the signature as strict DER of two positive numbers; None if it is not one. Some write raw r‖s."""
    if len(signature) == 2 * NUMBER_BYTES:
        return write_signature(signature)
    try:
        numbers = der.read(signature).children(der.SEQUENCE)
    except der.NotDer:
        return None
    if len(numbers) != 2 or any(each.tag != der.INTEGER or not each.content for each in numbers):
        return None
    values = [int.from_bytes(each.content, "big", signed=True) for each in numbers]
    if any(not 0 < value < 1 << 8 * NUMBER_BYTES for value in values):
        return None
    return (
        signature
        if write_signature(b"".join(each.to_bytes(NUMBER_BYTES, "big") for each in values)) == signature
        else None
    )


def write_signature(raw: bytes) -> bytes:
    """Return r‖s as DER of SEQUENCE {r, s}."""
    halves = raw[:NUMBER_BYTES], raw[NUMBER_BYTES:]
    return der.encode(der.SEQUENCE, b"".join(_integer(half) for half in halves))


def identity_hash(point: bytes) -> bytes:
    """Return Z, the hash that precedes the message: SM3(ENTL ‖ ID ‖ a ‖ b ‖ G ‖ point) (GB/T 32918.2, 5.5)."""
    return sm3((8 * len(DEFAULT_ID)).to_bytes(2, "big") + DEFAULT_ID + _CURVE + point)


def message_digest(point: bytes, message: bytes) -> bytes:
    """Return e = SM3(Z ‖ message), which is what a token signs if it takes a hash."""
    return sm3(identity_hash(point) + message)


def _integer(half: bytes) -> bytes:
    digits = half.lstrip(b"\0") or b"\0"
    return der.encode(der.INTEGER, b"\0" + digits if digits[0] & 0x80 else digits)


# a, b and the base point of the curve (GB/T 32918.5).
_CURVE = bytes.fromhex(
    "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFC"
    "28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93"
    "32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7"
    "BC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0"
)
