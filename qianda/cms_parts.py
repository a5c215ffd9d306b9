"""Build parts of CMS signatures and timestamps as DER: identifiers, attributes, and parts of certificates.

Nothing is decoded and encoded again: parts of a certificate are copied byte for byte. Sources: RFC 5280, 4.1; RFC 5652,
5.3 and 11; RFC 5035; RFC 3161, 2.4.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qianda import der
from qianda.der import OID, SEQUENCE, SET, encode

CONTEXT_0: Final = 0xA0
CONTEXT_1: Final = 0xA1
VERSION_1: Final = b"\x02\x01\x01"
VERSION_3: Final = b"\x02\x01\x03"
NULL: Final = b"\x05\x00"


def object_identifier(dotted: str) -> bytes:
    """Return the DER of an object identifier written with dots."""
    first, second, *others = (int(part) for part in dotted.split("."))
    return encode(OID, b"".join(_base_128(number) for number in (40 * first + second, *others)))


def _base_128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


SIGNED_DATA: Final = object_identifier("1.2.840.113549.1.7.2")
DATA: Final = object_identifier("1.2.840.113549.1.7.1")
TST_INFO: Final = object_identifier("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE: Final = object_identifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST: Final = object_identifier("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE: Final = object_identifier("1.2.840.113549.1.9.16.2.12")
SIGNING_CERTIFICATE_V2: Final = object_identifier("1.2.840.113549.1.9.16.2.47")
SIGNATURE_TIMESTAMP: Final = object_identifier("1.2.840.113549.1.9.16.2.14")
SHA256: Final = encode(SEQUENCE, object_identifier("2.16.840.1.101.3.4.2.1") + NULL)
ECDSA_SHA256: Final = encode(SEQUENCE, object_identifier("1.2.840.10045.4.3.2"))
RSA_SHA256: Final = encode(SEQUENCE, object_identifier("1.2.840.113549.1.1.11") + NULL)
EC_KEY: Final = object_identifier("1.2.840.10045.2.1")


def attribute(kind: bytes, value: bytes) -> bytes:
    """Return an attribute with one value."""
    return encode(SEQUENCE, kind + encode(SET, value))


@dataclass(frozen=True)
class CertificateNames:
    """Parts of a certificate, each as the DER in it."""

    serial: bytes
    issuer: bytes
    subject: bytes
    key_algorithm: bytes  # the object identifier

    @classmethod
    def read(cls, certificate: bytes) -> CertificateNames:
        """Read the parts of a certificate (DER). Raises NotDer, or ValueError for a certificate with too few parts."""
        body = der.read(certificate).children(SEQUENCE)[0].children(SEQUENCE)
        start = 1 if body[0].tag == CONTEXT_0 else 0
        serial, _, issuer, _, subject, key = body[start : start + 6]
        algorithm = key.children(SEQUENCE)[0].children(SEQUENCE)[0]
        return cls(serial.whole, issuer.whole, subject.whole, algorithm.whole)

    @property
    def is_self_issued(self) -> bool:
        return self.issuer == self.subject
