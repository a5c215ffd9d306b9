"""Check the confirmation of one signature by a passkey, strictly. The hub and the offline verifier share this code.

The challenge is the SHA-256 of the signed attributes, and the authenticator must have verified its user. Only the fixed
form that WebAuthn writes is accepted. Source: W3C Web Authentication Level 3: 5.8.1 (client data), 6.1 (authenticator
data), 6.5.1 (keys), 7.1 and 7.2 (the checks of a relying party).
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from qianda.strict_json import read_json

MAX_CLIENT_DATA_BYTES: Final = 1024
MAX_AUTHENTICATOR_DATA_BYTES: Final = 1024
MAX_SIGNATURE_BYTES: Final = 512
MAX_CREDENTIAL_ID_BYTES: Final = 1023

_PRESENT, _VERIFIED, _BACKUP_ELIGIBLE, _BACKED_UP, _CREDENTIAL, _EXTENSIONS = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
_HEADER = 37  # bytes: hash of the relying party's id, flags, counter
_RSA_BITS = (2048, 3072, 4096)
_LOCAL = "localhost"
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253})(?::[0-9]{1,5})?")  # as browsers write it


class WrongPasskey(Exception):
    """The registration or assertion of a passkey is not valid. The message says what is wrong with it."""


@dataclass(frozen=True)
class Assertion:
    """The answer of an authenticator to one challenge, as the browser passes it on."""

    authenticator_data: bytes
    client_data: bytes
    signature: bytes


@dataclass(frozen=True)
class Confirmed:
    """A valid assertion. `counter` is 0 if the authenticator does not count."""

    origin: str
    rp_id: str
    counter: int


@dataclass(frozen=True)
class NewPasskey:
    """A newly registered passkey.

    `public_key`: SubjectPublicKeyInfo in DER. `synced`: the passkey's provider may copy the key to its owner's other
    devices.
    """

    credential_id: bytes
    public_key: bytes
    counter: int
    synced: bool


def challenge_of(to_be_signed: bytes) -> bytes:
    """Return the challenge that the passkey has to confirm.

    `to_be_signed`: the signed attributes in DER with the SET tag, as they are signed.
    """
    return hashlib.sha256(to_be_signed).digest()


def relying_party(origin: str) -> str | None:
    """Return the id of the relying party for this origin: its host.

    None if the origin can have no passkeys: WebAuthn requires a host name and HTTPS, or `localhost`.
    """
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        return None
    scheme, host = found["scheme"], found["host"]
    is_name = "." in host and not host.rpartition(".")[2].isdigit()
    return host if host == _LOCAL or (scheme == "https" and is_name) else None


def check_assertion(public_key: bytes, to_be_signed: bytes, assertion: Assertion) -> Confirmed:
    """Check that the passkey of `public_key` (DER) confirmed exactly these signed attributes, at an origin where it may
    be used, on a device that had verified its user. Raises WrongPasskey."""
    if len(assertion.signature) > MAX_SIGNATURE_BYTES:
        raise WrongPasskey("the signature is too long")
    origin = _client_data(assertion.client_data, "webauthn.get", challenge_of(to_be_signed))
    rp_id = relying_party(origin)
    if rp_id is None:
        raise WrongPasskey("this origin can have no passkeys")
    counter, flags = _authenticator_data(assertion.authenticator_data, rp_id)
    if flags & _CREDENTIAL or bool(flags & _EXTENSIONS) != (len(assertion.authenticator_data) > _HEADER):
        raise WrongPasskey("the authenticator data are not those of a confirmation")
    _verify(public_key, assertion)
    return Confirmed(origin, rp_id, counter)


def read_registration(authenticator_data: bytes, client_data: bytes, challenge: bytes, origin: str) -> NewPasskey:
    """Read a new passkey, made at `origin` for this challenge by a device that had verified its user.

    No statement about the device is requested, so nothing is known about where the key is kept. Raises WrongPasskey.
    """
    if _client_data(client_data, "webauthn.create", challenge) != origin:
        raise WrongPasskey("the passkey was made at another origin")
    rp_id = relying_party(origin)
    if rp_id is None:
        raise WrongPasskey("this origin can have no passkeys")
    counter, flags = _authenticator_data(authenticator_data, rp_id)
    attested = authenticator_data[_HEADER + 16 :]  # after the AAGUID of the authenticator
    length = int.from_bytes(attested[:2], "big")
    credential_id, key = attested[2 : 2 + length], attested[2 + length :]
    if not flags & _CREDENTIAL or not 0 < length <= MAX_CREDENTIAL_ID_BYTES or len(credential_id) != length:
        raise WrongPasskey("the authenticator data name no passkey")
    return NewPasskey(
        credential_id, _spki_of(key, more=bool(flags & _EXTENSIONS)), counter, bool(flags & _BACKUP_ELIGIBLE)
    )


# ---- client data


def _client_data(encoded: bytes, kind: str, challenge: bytes) -> str:
    """Check the type and the challenge of the client data; return its origin. Raises WrongPasskey."""
    if len(encoded) > MAX_CLIENT_DATA_BYTES:
        raise WrongPasskey("the client data are too long")
    try:
        said = read_json(encoded)
    except ValueError as error:
        raise WrongPasskey("the client data cannot be read") from error
    if not isinstance(said, dict) or said.get("type") != kind:
        raise WrongPasskey(f"the client data are not of the type {kind}")
    if said.get("challenge") != urlsafe_b64encode(challenge).rstrip(b"=").decode("ascii"):
        raise WrongPasskey("another challenge was answered")
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise WrongPasskey("it was made inside a page of another origin")
    origin = said.get("origin")
    if not isinstance(origin, str):
        raise WrongPasskey("the client data name no origin")
    return origin


# ---- authenticator data


def _authenticator_data(data: bytes, rp_id: str) -> tuple[int, int]:
    """Check the relying party and that the user was verified; return counter and flags. Raises WrongPasskey."""
    if not _HEADER <= len(data) <= MAX_AUTHENTICATOR_DATA_BYTES:
        raise WrongPasskey("the authenticator data are too short or too long")
    if data[:32] != hashlib.sha256(rp_id.encode()).digest():
        raise WrongPasskey("the passkey belongs to another relying party")
    flags = data[32]
    if not flags & _PRESENT or not flags & _VERIFIED:
        raise WrongPasskey("the device did not verify its user")
    if flags & _BACKED_UP and not flags & _BACKUP_ELIGIBLE:
        raise WrongPasskey("the flags contradict each other")
    return int.from_bytes(data[33:_HEADER], "big"), flags


def _verify(public_key: bytes, assertion: Assertion) -> None:
    message = assertion.authenticator_data + hashlib.sha256(assertion.client_data).digest()
    try:
        key = _known_kind(serialization.load_der_public_key(public_key))
        if key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo) != public_key:
            raise ValueError("another spelling of the key")  # a hybrid point, for example; only one form is accepted
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(assertion.signature, message, padding.PKCS1v15(), hashes.SHA256())
        else:
            key.verify(assertion.signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise WrongPasskey("the signature is not of this passkey over these data") from error
    except (UnsupportedAlgorithm, ValueError) as error:
        raise WrongPasskey("the passkey's public key cannot be used") from error


def _known_kind(key: Any) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in _RSA_BITS:
        return key
    raise ValueError("neither P-256 nor RSA")


# ---- the public key, in the canonical CBOR form that CTAP2 writes

_P256_X, _P256_Y = bytes.fromhex("a5010203262001215820"), bytes.fromhex("225820")
_RSA_N, _RSA_E = bytes.fromhex("a401030339010020 59"), bytes.fromhex("2143010001")


def _spki_of(cose: bytes, *, more: bool) -> bytes:
    """Return the key as SubjectPublicKeyInfo in DER. `more`: extensions must follow the key; otherwise nothing may."""
    try:
        key, end = _p256(cose) if cose.startswith(_P256_X) else _rsa(cose)
    except ValueError as error:
        raise WrongPasskey("the passkey's public key is of no known kind") from error
    if (len(cose) > end) is not more:
        raise WrongPasskey("something else follows the public key")
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _p256(cose: bytes) -> tuple[ec.EllipticCurvePublicKey, int]:
    start = len(_P256_X)
    x, rest = cose[start : start + 32], cose[start + 32 :]
    y = rest[3:35]
    if not rest.startswith(_P256_Y) or len(y) != 32:
        raise ValueError("no point")
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    return point.public_key(), start + 67


def _rsa(cose: bytes) -> tuple[rsa.RSAPublicKey, int]:
    start = len(_RSA_N) + 2
    size = int.from_bytes(cose[len(_RSA_N) : start], "big")
    modulus, exponent = cose[start : start + size], cose[start + size :]
    if not cose.startswith(_RSA_N) or size * 8 not in _RSA_BITS or not exponent.startswith(_RSA_E):
        raise ValueError("no modulus")
    key = rsa.RSAPublicNumbers(65537, int.from_bytes(modulus, "big")).public_key()
    _known_kind(key)
    return key, start + size + len(_RSA_E)
