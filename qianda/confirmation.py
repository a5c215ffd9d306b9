"""The confirmation by a passkey, as an unsigned attribute of the signer's own CMS signature, in DER.

    PasskeyConfirmation ::= SEQUENCE {
        version            INTEGER (1),
        publicKey          SubjectPublicKeyInfo,
        authenticatorData  OCTET STRING,
        clientDataJSON     OCTET STRING,
        signature          OCTET STRING }

The attribute is unsigned because it confirms the signed attributes; the seal and the last timestamp cover it. Anybody
who handles the file could add one. So it is proof only if the signer's certificate names the passkey
(`qianda.passkey_binding`), since the signer's signature covers that certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import core, keys

from qianda.der import NotDer
from qianda.passkey import Assertion, Confirmed, WrongPasskey, check_assertion
from qianda.passkey_binding import PasskeyBinding, find_binding

# Derived from a UUID (Rec. ITU-T X.667), so it need not be registered.
CONFIRMATION_OID: Final = "2.25.52759519350964702744318367352615099947"
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
    """Return the value of the attribute. `public_key`: SubjectPublicKeyInfo in DER."""
    return bytes(
        PasskeyConfirmation(
            {
                "version": VERSION,
                "public_key": keys.PublicKeyInfo.load(public_key),
                "authenticator_data": assertion.authenticator_data,
                "client_data": assertion.client_data,
                "signature": assertion.signature,
            }
        ).dump()
    )


@dataclass(frozen=True)
class CheckedConfirmation:
    """A valid confirmation by the passkey of `public_key` (DER). `bound`: the signer's certificate names this passkey
    at the origin where it confirmed."""

    public_key: bytes
    confirmed: Confirmed
    bound: bool


def check_confirmation(value: bytes, to_be_signed: bytes, certificate: bytes) -> CheckedConfirmation:
    """Check a confirmation against the signed attributes and the signer's own `certificate` (DER).

    Raises WrongPasskey, also if the certificate names another passkey or origin.
    """
    public_key, assertion = _unpacked(value)
    confirmed = check_assertion(public_key, to_be_signed, assertion)
    try:
        named = find_binding(certificate)
    except NotDer as error:
        raise WrongPasskey("what the certificate says about a passkey cannot be read") from error
    if named is not None and named.origin != confirmed.origin:
        raise WrongPasskey("the signer's certificate names another origin")
    if named is not None and named != PasskeyBinding.to(public_key, confirmed.origin):
        raise WrongPasskey("the signer's certificate names another passkey")
    return CheckedConfirmation(public_key, confirmed, named is not None)


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
