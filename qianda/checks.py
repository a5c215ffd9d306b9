"""Prevent blind signing: the four checks that every client makes before its key is used.

The hub prepares the file and the bytes to be signed. A faulty or dishonest hub must not get a signature over anything
except the document that was shown. Sources: RFC 5652 5.4 and 11 (signed attributes), RFC 5035 (signing-certificate-v2),
ISO 32000-2 12.8.1 (byte range), ETSI EN 319 142-1 (PAdES baseline).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from qianda import der
from qianda.der import DerElement, NotDer
from qianda.passkey_binding import PasskeyBinding, find_binding

_OID_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_OID_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_OID_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_OID_DATA = bytes.fromhex("06092a864886f70d010701")
_OID_SHA256 = bytes.fromhex("0609608648016503040201")
_DER_NULL = bytes.fromhex("0500")
_DIRECTORY_NAME = 0xA4  # the choice of GeneralName that holds a distinguished name
_VERSION = 0xA0
_SHA256_BYTES = 32
_ALLOWED = {_OID_CONTENT_TYPE, _OID_MESSAGE_DIGEST, _OID_SIGNING_CERTIFICATE_V2}


class RefusedToSign(Exception):
    """The prepared file is not what the signer was shown. `number`: that of the failed check, 1 to 4."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"{number}: {reason}")
        self.number = number
        self.reason = reason


@dataclass(frozen=True)
class PreparedFile:
    """The bytes that the hub wants signed.

    `file` is the prepared PDF, `byte_range` its four numbers (offset and length, twice), and `to_be_signed` the signed
    attributes as a DER SET.
    """

    file: bytes
    byte_range: Sequence[int]
    to_be_signed: bytes


def check_prepared(
    shown: bytes, prepared: PreparedFile, own_certificate: bytes, passkey: PasskeyBinding | None = None
) -> None:
    """Raise RefusedToSign unless signing these attributes means signing the shown document with this certificate.

    `shown`: the bytes of the file that the person looked at; `own_certificate`: the signer's certificate in DER;
    `passkey`: the passkey that this client asked the hub to name in the certificate. The checks:

    1. The prepared file begins with the shown bytes.
    2. The byte range excludes one gap of zeros in `<…>` after them, and message-digest is the SHA-256 of the rest.
    3. signing-certificate-v2 is the signer's own certificate, which names no passkey except that of this client.
    4. The attributes are content-type, message-digest and signing-certificate-v2, in strict DER, and no others.
    """
    attributes = _attributes(prepared.to_be_signed)
    if not shown or not prepared.file.startswith(shown):
        raise RefusedToSign(1, "the prepared file does not begin with the bytes that were shown")
    digest = _digest_of_ranges(len(shown), prepared.file, prepared.byte_range)
    if attributes[_OID_MESSAGE_DIGEST].whole != bytes([der.OCTET_STRING, _SHA256_BYTES]) + digest:
        raise RefusedToSign(2, "the message digest is not the hash over the byte range")
    if not _names_only(attributes[_OID_SIGNING_CERTIFICATE_V2], own_certificate):
        raise RefusedToSign(3, "the attributes name somebody else's certificate")
    _check_passkey(own_certificate, passkey)


def _check_passkey(own_certificate: bytes, passkey: PasskeyBinding | None) -> None:
    """Raise RefusedToSign if the certificate names a foreign passkey.

    Otherwise the issuer of the certificate could name a passkey of its own in it, and confirm the signature with that.
    """
    try:
        named = find_binding(own_certificate)
    except NotDer as error:
        raise RefusedToSign(3, f"the passkey in the certificate cannot be read: {error}") from error
    if named not in (None, passkey):
        raise RefusedToSign(3, "the certificate names a passkey that is not this signer's")


def _attributes(to_be_signed: bytes) -> dict[bytes, DerElement]:
    """Return the single value of each attribute by the DER of its object identifier. Raises RefusedToSign (check 4)."""
    try:
        attributes = der.read(to_be_signed).children(der.SET)
        values = dict(_type_and_value(attribute) for attribute in attributes)
    except NotDer as error:
        raise RefusedToSign(4, f"the signed attributes cannot be read: {error}") from error
    encodings = [attribute.whole for attribute in attributes]
    if encodings != sorted(encodings):
        raise RefusedToSign(4, "the signed attributes are not in the order of DER")
    if len(attributes) != len(_ALLOWED) or values.keys() != _ALLOWED:
        raise RefusedToSign(4, "there are other attributes than the three allowed")
    if values[_OID_CONTENT_TYPE].whole != _OID_DATA:
        raise RefusedToSign(4, "the content type is not data")
    return values


def _type_and_value(attribute: DerElement) -> tuple[bytes, DerElement]:
    parts = attribute.children(der.SEQUENCE)
    if len(parts) != 2 or parts[0].tag != der.OID:
        raise NotDer("an attribute is a type and its values")
    return parts[0].whole, der.only(parts[1].children(der.SET))


def _digest_of_ranges(shown_length: int, prepared: bytes, byte_range: Sequence[int]) -> bytes:
    """Return the SHA-256 over everything but the gap.

    Raises RefusedToSign unless the gap contains only zeros and is after the shown bytes.
    """
    if len(byte_range) != 4 or not all(type(number) is int and number >= 0 for number in byte_range):
        raise RefusedToSign(2, "the byte range is not four numbers")
    start, gap_at, resume_at, tail = byte_range
    if start != 0 or resume_at + tail != len(prepared) or not shown_length <= gap_at < resume_at <= len(prepared):
        raise RefusedToSign(2, "the byte range leaves out more than the place of the signature")
    gap = prepared[gap_at:resume_at]
    if len(gap) < 4 or gap != b"<" + b"0" * (len(gap) - 2) + b">":
        raise RefusedToSign(2, "the gap of the byte range is not an empty place for a signature")
    hashed = hashlib.sha256(prepared[:gap_at])
    hashed.update(prepared[resume_at:])
    return hashed.digest()


def _names_only(value: DerElement, own_certificate: bytes) -> bool:
    """Return whether the attribute names the signer's own certificate and no other.

    It is a SigningCertificateV2 with one ESSCertIDv2: [SHA-256], the certificate's hash, [its issuer and serial
    number].
    """
    try:
        identifiers = der.only(value.children(der.SEQUENCE))  # the optional policies are not allowed
        parts = der.only(identifiers.children(der.SEQUENCE)).children(der.SEQUENCE)
        if parts[0].tag == der.SEQUENCE and parts.pop(0).content not in (_OID_SHA256, _OID_SHA256 + _DER_NULL):
            return False
        if parts[0].tag != der.OCTET_STRING:
            return False
        same_hash = parts[0].content == hashlib.sha256(own_certificate).digest()
        return same_hash and (len(parts) == 1 or (len(parts) == 2 and _same_issuer(parts[1], own_certificate)))
    except (ValueError, IndexError):  # NotDer is a ValueError too
        return False


def _same_issuer(reference: DerElement, own_certificate: bytes) -> bool:
    """Return whether the reference names the certificate's issuer and serial number.

    IssuerSerial ::= SEQUENCE { GeneralNames, CertificateSerialNumber }, with one directory name.
    """
    fields = der.read(own_certificate).children(der.SEQUENCE)[0].children(der.SEQUENCE)
    serial, _algorithm, issuer = fields[1:4] if fields[0].tag == _VERSION else fields[:3]
    names, number = reference.children(der.SEQUENCE)
    name = der.only(der.only(names.children(der.SEQUENCE)).children(_DIRECTORY_NAME))
    return name.whole == issuer.whole and number.whole == serial.whole
