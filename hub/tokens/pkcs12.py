"""Read a PKCS#12 file (RFC 7292): a key with its certificates, in the form in which authorities deliver them."""

from __future__ import annotations

from dataclasses import dataclass, field

from asn1crypto import pkcs12 as structure
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from hub.errors import BadInput
from hub.tokens.softkey import SealingPrivateKey, is_accepted_key

# A file with a chain has a few KB.
MAX_PKCS12_BYTES = 256 * 1024
NAMES = (".p12", ".pfx")


@dataclass(frozen=True)
class Pkcs12Content:
    """A private key, and all certificates of the file (DER)."""

    key: SealingPrivateKey = field(repr=False)
    certificates: tuple[bytes, ...]


def read_pkcs12(name: str, data: bytes, password: str) -> Pkcs12Content:
    """Return the content of the file `name`.

    Raises BadInput, with the field `file` or `password`, for another kind of file, a wrong password, a missing key, or
    a kind of key that cannot seal here.
    """
    try:
        if len(data) > MAX_PKCS12_BYTES:
            raise ValueError("too long")
        if structure.Pfx.load(data)["version"].native != "v3":
            raise ValueError("another version")
    except (ValueError, TypeError) as error:
        raise BadInput(f"{name} is not a PKCS#12 file (.p12, .pfx)", field="file") from error
    try:
        found = pkcs12.load_pkcs12(data, password.encode())
    except UnsupportedAlgorithm as error:
        raise BadInput(f"{name} is encrypted in a way that is not read here: {error}", field="file") from error
    except ValueError as error:
        raise BadInput(f"the password does not open {name}", field="password") from error
    if found.key is None:
        raise BadInput(f"{name} holds no private key: have it exported with its key", field="file")
    if not isinstance(found.key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) or not is_accepted_key(found.key):
        raise BadInput(f"the key in {name} is neither P-256 nor RSA from 2048 bits", field="file")
    certificates = [each.certificate for each in (found.cert, *found.additional_certs) if each is not None]
    return Pkcs12Content(found.key, tuple(each.public_bytes(Encoding.DER) for each in certificates))
