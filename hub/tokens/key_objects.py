"""Store a key that was made elsewhere as objects of a PKCS#11 token (PKCS#11 v2.40, 4.8 and 4.9)."""

from __future__ import annotations

import hashlib
from typing import Any, Final, cast

from asn1crypto import keys
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pkcs11 import Attribute, Mechanism, exceptions as pkcs11_errors
from pkcs11.types import PublicKey, Session
from pkcs11.util.ec import decode_ec_private_key, decode_ec_public_key
from pkcs11.util.rsa import decode_rsa_private_key, decode_rsa_public_key, encode_rsa_public_key

from hub.tokens.softkey import SealingPrivateKey, public_key_info

# The errors of tokens that accept no keys from outside, or none of this kind.
REFUSALS: Final = (
    pkcs11_errors.AttributeReadOnly,
    pkcs11_errors.AttributeTypeInvalid,
    pkcs11_errors.AttributeValueInvalid,
    pkcs11_errors.DomainParamsInvalid,
    pkcs11_errors.FunctionNotSupported,
    pkcs11_errors.KeySizeRange,
    pkcs11_errors.MechanismInvalid,
    pkcs11_errors.TemplateIncomplete,
    pkcs11_errors.TemplateInconsistent,
    pkcs11_errors.TokenWriteProtected,
)


def store_key(session: Session, label: str, key: SealingPrivateKey) -> None:
    """Store both halves of a key. The private one cannot leave the token afterwards.

    Raises one of REFUSALS, possibly after one half was stored.
    """
    is_rsa = isinstance(key, rsa.RSAPrivateKey)
    if is_rsa and Mechanism.SHA256_RSA_PKCS not in session.token.slot.get_mechanisms():
        raise pkcs11_errors.MechanismInvalid
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    spki = public_key_info(key)
    named: dict[Attribute, Any] = {
        Attribute.LABEL: label,
        Attribute.ID: hashlib.sha256(spki).digest()[:20],
        Attribute.TOKEN: True,
    }
    kept: dict[Attribute, Any] = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.SIGN: True,
    }
    private = dict(decode_rsa_private_key(der) if is_rsa else decode_ec_private_key(der))
    if is_rsa:
        private |= {Attribute.DECRYPT: False, Attribute.UNWRAP: False}
        public = decode_rsa_public_key(keys.PublicKeyInfo.load(spki)["public_key"].parsed.dump())
        public |= {Attribute.ENCRYPT: False, Attribute.WRAP: False}
    else:
        public = decode_ec_public_key(spki)
    stored = cast(Any, session.create_object(private | named | kept))
    if not stored[Attribute.SENSITIVE] or stored[Attribute.EXTRACTABLE]:
        raise pkcs11_errors.TemplateInconsistent  # the token would allow the key to be read out
    session.create_object(dict(public) | named | {Attribute.VERIFY: True})


def destroy_key(session: Session, label: str) -> None:
    """Remove the objects with this label from a token."""
    for each in list(session.get_objects({Attribute.LABEL: label})):
        cast(Any, each).destroy()


def rsa_public_key_info(key: PublicKey) -> bytes:
    """Return an RSA public key of a token: DER of SubjectPublicKeyInfo."""
    return bytes(keys.PublicKeyInfo.wrap(keys.RSAPublicKey.load(encode_rsa_public_key(key)), "rsa").dump())
