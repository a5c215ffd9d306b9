"""CMS signatures joined from DER: the same bytes as pyHanko's (a test compares them), for a thousandth of its time.

What depends on the certificates alone is joined once (`SignerTemplate`). No value is decoded and encoded again.
Sources: RFC 5652, 5.3 (SignerInfo), RFC 5035 (signing-certificate-v2), RFC 3161, appendix A, ETSI EN 319 122-1 (CAdES).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from qianda import der
from qianda.confirmation import CONFIRMATION_OID
from qianda.der import OCTET_STRING, OID, SEQUENCE, SET, encode

CONTEXT_0: Final = 0xA0
CONTEXT_1: Final = 0xA1
DIRECTORY_NAME: Final = 0xA4  # of GeneralName
VERSION_1: Final = b"\x02\x01\x01"
TEMPLATES_KEPT: Final = 16  # the seal's is used again and again, a signer's twice


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
CONFIRMATION: Final = object_identifier(CONFIRMATION_OID)
SHA256: Final = encode(SEQUENCE, object_identifier("2.16.840.1.101.3.4.2.1") + b"\x05\x00")
ECDSA_SHA256: Final = encode(SEQUENCE, object_identifier("1.2.840.10045.4.3.2"))
RSA_SHA256: Final = encode(SEQUENCE, object_identifier("1.2.840.113549.1.1.11") + b"\x05\x00")
EC_KEY: Final = object_identifier("1.2.840.10045.2.1")


@dataclass(frozen=True)
class CertificateNames:
    """Parts of a certificate, each the DER that stands in it."""

    serial: bytes
    issuer: bytes
    subject: bytes
    key_algorithm: bytes  # the object identifier

    @classmethod
    def read(cls, certificate: bytes) -> CertificateNames:
        """Raises NotDer, or ValueError for a certificate with too few parts."""
        body = der.read(certificate).children(SEQUENCE)[0].children(SEQUENCE)
        start = 1 if body[0].tag == CONTEXT_0 else 0
        serial, _, issuer, _, subject, key = body[start : start + 6]
        algorithm = key.children(SEQUENCE)[0].children(SEQUENCE)[0]
        return cls(serial.whole, issuer.whole, subject.whole, algorithm.whole)

    @property
    def is_self_issued(self) -> bool:
        return self.issuer == self.subject


@dataclass(frozen=True)
class SignerTemplate:
    """Everything of a signature that its certificates decide, joined once. Make it with `signer_template`."""

    before_digest: bytes
    behind_digest: bytes
    signer_head: bytes
    algorithm: bytes
    data_head: bytes

    def attributes_to_sign(self, document_digest: bytes) -> bytes:
        """Return the signed attributes, DER with the SET tag, as they are signed.

        They are content-type, message-digest and certificate, exactly these three: a client refuses anything else.
        """
        return self.before_digest + document_digest + self.behind_digest

    def assemble(self, to_be_signed: bytes, signature: bytes, unsigned: bytes = b"") -> bytes:
        """Return the ContentInfo of a detached signature. `unsigned`: see `unsigned_attributes`."""
        signed_attributes = bytes((CONTEXT_0,)) + to_be_signed[1:]  # inside the SignerInfo the SET has tag [0]
        value = encode(OCTET_STRING, signature)
        signer = encode(SEQUENCE, self.signer_head + signed_attributes + self.algorithm + value + unsigned)
        signed_data = encode(SEQUENCE, self.data_head + encode(SET, signer))
        return encode(SEQUENCE, SIGNED_DATA + encode(CONTEXT_0, signed_data))


@lru_cache(TEMPLATES_KEPT)
def signer_template(chain: tuple[bytes, ...]) -> SignerTemplate:
    """Join what these certificates (DER, the signer's first) decide; self-signed roots are left out of the CMS."""
    own = CertificateNames.read(chain[0])
    before, behind = _attributes_around_digest(chain[0], own)
    above = sorted(certificate for certificate in chain if not CertificateNames.read(certificate).is_self_issued)
    head = VERSION_1 + encode(SET, SHA256) + encode(SEQUENCE, DATA) + encode(CONTEXT_0, b"".join(above))
    signer_head = VERSION_1 + encode(SEQUENCE, own.issuer + own.serial) + SHA256
    return SignerTemplate(before, behind, signer_head, signature_algorithm(own), head)


def signature_algorithm(names: CertificateNames) -> bytes:
    """Return the algorithm with SHA-256: ECDSA, or RSA PKCS#1 v1.5, as the certificate's key has it."""
    return ECDSA_SHA256 if names.key_algorithm == EC_KEY else RSA_SHA256


def attributes_to_sign(document_digest: bytes, certificate: bytes) -> bytes:
    """Return `SignerTemplate.attributes_to_sign` for a certificate whose chain is not at hand."""
    before, behind = _attributes_around_digest(certificate, CertificateNames.read(certificate))
    return before + document_digest + behind


def assembled(
    to_be_signed: bytes,
    signature: bytes,
    chain: Sequence[bytes],
    timestamp: bytes | None,
    confirmation: bytes | None = None,
) -> bytes:
    """Return the ContentInfo of a detached signature. `chain`: DER, the signer's first; self-signed roots are left out.
    `confirmation`: see `qianda.confirmation`."""
    unsigned = unsigned_attributes(timestamp, confirmation)
    return signer_template(tuple(chain)).assemble(to_be_signed, signature, unsigned)


def unsigned_attributes(timestamp: bytes | None, confirmation: bytes | None) -> bytes:
    """Return the unsigned attributes with their tag, or nothing when there are none."""
    values = ((SIGNATURE_TIMESTAMP, timestamp), (CONFIRMATION, confirmation))
    attributes = [attribute(kind, value) for kind, value in values if value is not None]
    return encode(CONTEXT_1, b"".join(sorted(attributes))) if attributes else b""


def attribute(kind: bytes, value: bytes) -> bytes:
    """Return an attribute with one value."""
    return encode(SEQUENCE, kind + encode(SET, value))


def _attributes_around_digest(certificate: bytes, names: CertificateNames) -> tuple[bytes, bytes]:
    """Return the signed attributes before and behind the 32 bytes of the document's digest."""
    issuer = encode(SEQUENCE, encode(DIRECTORY_NAME, names.issuer))
    certificate_hash = encode(OCTET_STRING, hashlib.sha256(certificate).digest())
    reference = encode(SEQUENCE, certificate_hash + encode(SEQUENCE, issuer + names.serial))
    digest = attribute(MESSAGE_DIGEST, encode(OCTET_STRING, bytes(32)))
    attributes = (
        attribute(CONTENT_TYPE, DATA),
        digest,
        attribute(SIGNING_CERTIFICATE_V2, encode(SEQUENCE, encode(SEQUENCE, reference))),
    )
    # DER orders a SET OF by its encodings (X.690, 11.6); these three differ before the digest begins.
    whole = encode(SET, b"".join(sorted(attributes)))
    at = whole.index(digest) + len(digest) - 32
    return whole[:at], whole[at + 32 :]
