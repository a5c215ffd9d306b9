"""Read and write the passkey in a certificate: only this passkey may confirm what the certificate's key signs.

The binding is an attribute of the subject, which the authority writes into the extension subjectDirectoryAttributes
(RFC 5280 4.2.1.8, never critical) when it issues the certificate. Its type is PASSKEY_BINDING_OID, its one value:

    PasskeyBinding ::= SEQUENCE {
        origin         IA5String,                  -- of the hub, as browsers write it
        publicKeyHash  OCTET STRING (SIZE (32)) }  -- SHA-256 of the passkey's SubjectPublicKeyInfo

(An extension of our own would need a short object identifier. Programs that cannot read an arc of 128 bits accept a
certificate with such an attribute, but not one with such an extension.)

signing-certificate-v2 is a signed attribute, so the signer's key signs over the certificate, and thereby over the
passkey. The clients, before they sign, the hub and the verifier use this reader; `checks.js` reads the same form.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from qianda import der
from qianda.der import DerElement, NotDer

# DER of the object identifiers PASSKEY_BINDING_OID (`qianda.trust_marks`) and subjectDirectoryAttributes.
_OID = bytes.fromhex("06146981e1f8c090d88bf2a2ab8dd59fbed295daea41")
_DIRECTORY_ATTRIBUTES = bytes.fromhex("0603551d09")
_IA5_STRING = 0x16
_EXTENSIONS = 0xA3  # RFC 5280 4.1: the last field of the signed part
_SHA256_BYTES = 32


@dataclass(frozen=True)
class PasskeyBinding:
    """The passkey that a certificate names. `key_sha256`: SHA-256 of the passkey's SubjectPublicKeyInfo in DER."""

    origin: str
    key_sha256: bytes

    @classmethod
    def to(cls, public_key: bytes, origin: str) -> PasskeyBinding:
        """Return the binding to the passkey with this public key (DER) at this origin."""
        return cls(origin, hashlib.sha256(public_key).digest())

    def encode(self) -> bytes:
        """Return the value of the attribute in DER."""
        origin = der.encode(_IA5_STRING, self.origin.encode("ascii"))
        return der.encode(der.SEQUENCE, origin + der.encode(der.OCTET_STRING, self.key_sha256))


def encode_extension(*values: bytes) -> bytes:
    """Return the content of subjectDirectoryAttributes in DER: one attribute with these values."""
    return der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, _OID + der.encode(der.SET, b"".join(values))))


def find_binding(certificate: bytes) -> PasskeyBinding | None:
    """Return the passkey that a certificate (DER) names, or None if it names none.

    Raises NotDer if the binding cannot be read. Such a certificate must be neither used nor believed.
    """
    if _OID not in certificate:  # certificates of other authorities may have a form that this reader does not accept
        return None
    fields = der.read(certificate).children(der.SEQUENCE)[0].children(der.SEQUENCE)
    extensions = der.only(der.only([field for field in fields if field.tag == _EXTENSIONS]).children(_EXTENSIONS))
    attributes = der.read(_octets(_last_of(extensions, _DIRECTORY_ATTRIBUTES)))
    return _read_value(der.only(_last_of(attributes, _OID).children(der.SET)))


def _last_of(sequences: DerElement, identifier: bytes) -> DerElement:
    """Return the last part of the only sequence that begins with this object identifier. Raises NotDer."""
    parts = [sequence.children(der.SEQUENCE) for sequence in sequences.children(der.SEQUENCE)]
    return der.only([each[-1] for each in parts if each and each[0].whole == identifier])


def _octets(value: DerElement) -> bytes:
    if value.tag != der.OCTET_STRING:
        raise NotDer("an extension's value is an octet string")
    return value.content


def _read_value(value: DerElement) -> PasskeyBinding:
    parts = value.children(der.SEQUENCE)
    if [part.tag for part in parts] != [_IA5_STRING, der.OCTET_STRING] or len(parts[1].content) != _SHA256_BYTES:
        raise NotDer("a passkey is named by its origin and a hash")
    try:
        return PasskeyBinding(parts[0].content.decode("ascii"), parts[1].content)
    except UnicodeDecodeError as error:
        raise NotDer("an origin is ASCII") from error
