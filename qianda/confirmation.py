"""How a passkey's confirmation travels: an unsigned attribute of the signer's own CMS signature, in DER.

    PasskeyConfirmation ::= SEQUENCE {
        version            INTEGER (1),
        publicKey          SubjectPublicKeyInfo,
        authenticatorData  OCTET STRING,
        clientDataJSON     OCTET STRING,
        signature          OCTET STRING }

It is unsigned because it confirms what is signed; the seal and the last timestamp cover it.
"""

from __future__ import annotations

from typing import Any, Final

from asn1crypto import core, keys

from qianda.passkey import Assertion, Confirmed, WrongPasskey, check_assertion

CONFIRMATION_OID: Final = "2.25.52759519350964702744318367352615099947"
"""Derived from a UUID (Rec. ITU-T X.667): nobody has to register it."""
VERSION: Final = 1


class PasskeyConfirmation(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [  # noqa: RUF012  # asn1crypto's way to declare a structure
        ("version", core.Integer),
        ("public_key", keys.PublicKeyInfo),
        ("authenticator_data", core.OctetString),
        ("client_data", core.OctetString),
        ("signature", core.OctetString),
    ]


def packed(public_key: bytes, assertion: Assertion) -> bytes:
    """The attribute's value. `public_key`: SubjectPublicKeyInfo in DER."""
    return bytes(
        PasskeyConfirmation({
            "version": VERSION,
            "public_key": keys.PublicKeyInfo.load(public_key),
            "authenticator_data": assertion.authenticator_data,
            "client_data": assertion.client_data,
            "signature": assertion.signature,
        }).dump()
    )  # fmt: skip


def check_confirmation(value: bytes, to_be_signed: bytes) -> tuple[bytes, Confirmed]:
    """The passkey's public key (DER), and what it confirmed. Raises WrongPasskey."""
    public_key, assertion = _unpacked(value)
    return public_key, check_assertion(public_key, to_be_signed, assertion)


def _unpacked(value: bytes) -> tuple[bytes, Assertion]:
    try:
        read: Any = PasskeyConfirmation.load(value, strict=True)
        version, public_key = read["version"].native, bytes(read["public_key"].dump())
        parts = [read[name].native for name in ("authenticator_data", "client_data", "signature")]
        assertion = Assertion(*parts)
        if version != VERSION or packed(public_key, assertion) != value:
            raise WrongPasskey("the confirmation is not in the form that is known")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise WrongPasskey("the confirmation cannot be read") from error
    return public_key, assertion
