"""Check one signature or timestamp of the finished file: covered bytes, value, certificates named, timestamp token.

This is stricter than a PDF reader: only certificates that the database knows, byte for byte, and only known attributes
are accepted. Sources: RFC 5652, 5.1 to 5.4; RFC 3161, 2.4.2; RFC 5035; RFC 2634, 5.4.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from hub.documents.pades.written_revisions import FileIsWrong
from qianda import cms_parts, der
from qianda.certificate_loading import load_certificate
from qianda.cms_parts import CONTEXT_0, CONTEXT_1, CertificateNames, object_identifier
from qianda.der import NULL, OCTET_STRING, OID, SEQUENCE, SET, DerElement, encode

GENERALIZED_TIME: Final = 0x18
DIRECTORY_NAME: Final = 0xA4  # of GeneralName
MIN_RSA_BITS: Final = 2048
CERTIFICATES_KEPT: Final = 32
_HASHES: Final = {
    object_identifier("2.16.840.1.101.3.4.2.1"): "sha256",
    object_identifier("2.16.840.1.101.3.4.2.2"): "sha384",
    object_identifier("2.16.840.1.101.3.4.2.3"): "sha512",
}
_HASH_CLASSES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# Kind of key, and hash algorithm; None: the same as the digest's.
_ALGORITHMS: Final[dict[bytes, tuple[str, str | None]]] = {
    object_identifier("1.2.840.10045.4.3.2"): ("ec", "sha256"),
    object_identifier("1.2.840.10045.4.3.3"): ("ec", "sha384"),
    object_identifier("1.2.840.10045.4.3.4"): ("ec", "sha512"),
    object_identifier("1.2.840.113549.1.1.11"): ("rsa", "sha256"),
    object_identifier("1.2.840.113549.1.1.12"): ("rsa", "sha384"),
    object_identifier("1.2.840.113549.1.1.13"): ("rsa", "sha512"),
    object_identifier("1.2.840.113549.1.1.1"): ("rsa", None),
}

# The text of a GeneralizedTime. Fractions of a second are ignored.
_MOMENT: Final = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d*)?Z")

Digest = Callable[[str], bytes]


class OutsideProfile(Exception):
    """The algorithm or form is unknown to this check, so another check has to decide whether the file is right."""


@dataclass(frozen=True)
class CheckedSignature:
    """A signature whose digest and value are right. `unsigned`: its unsigned attributes by kind, one value each."""

    certificate: bytes
    value: bytes
    unsigned: dict[bytes, bytes]


@lru_cache(CERTIFICATES_KEPT)
def certificate_of(encoded: bytes) -> x509.Certificate:
    """Return the certificate. Those of the seal and of timestamps are kept, since each contract has them."""
    return load_certificate(encoded)


@lru_cache(CERTIFICATES_KEPT)
def _key_of(encoded: bytes) -> CertificatePublicKeyTypes:
    return certificate_of(encoded).public_key()


@lru_cache(CERTIFICATES_KEPT)
def _names_of(encoded: bytes) -> CertificateNames:
    return CertificateNames.read(encoded)


@lru_cache(CERTIFICATES_KEPT)
def _is_for_timestamps(encoded: bytes) -> bool:
    purposes = asn1_x509.Certificate.load(encoded).extended_key_usage_value
    return purposes is not None and "time_stamping" in purposes.native  # RFC 3161, 2.3


def check_signature(contents: bytes, digest: Digest, certificates: Collection[bytes]) -> CheckedSignature:
    """Check a detached signature. `certificates`: those that it may contain. Raises FileIsWrong, OutsideProfile."""
    return _check_signed_data(_signed_data_parts(contents), cms_parts.DATA, digest, certificates)


def check_timestamp(token: bytes, digest: Digest, certificates: Collection[bytes]) -> datetime:
    """Check an RFC 3161 token over the data of `digest`, signed by one of `certificates`. Return its time. Raises
    FileIsWrong, OutsideProfile."""
    parts = _signed_data_parts(token)
    content = _timestamp_content(parts)
    checked = _check_signed_data(
        parts, cms_parts.TST_INFO, lambda name: hashlib.new(name, content).digest(), certificates
    )
    if checked.unsigned:
        raise OutsideProfile("a timestamp with unsigned attributes")
    fields = der.read(content).children(SEQUENCE)
    if fields[0].whole != cms_parts.VERSION_1:
        raise FileIsWrong("the version of a timestamp")
    algorithm, hashed = fields[2].children(SEQUENCE)
    if _content_of(hashed, OCTET_STRING) != digest(_hash_name(algorithm)):
        raise FileIsWrong("a timestamp over something else")
    moment = _MOMENT.fullmatch(_content_of(fields[4], GENERALIZED_TIME))
    if moment is None:
        raise FileIsWrong("the time of a timestamp")
    year, month, day, hour, minute, second = map(int, moment.groups())
    time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    own = certificate_of(checked.certificate)
    if not own.not_valid_before_utc <= time <= own.not_valid_after_utc:
        raise FileIsWrong("the certificate of a timestamp was not valid at its time")
    if not _is_for_timestamps(checked.certificate):
        raise FileIsWrong("the certificate of a timestamp is for other purposes")
    return time


def _timestamp_content(parts: list[DerElement]) -> bytes:
    encapsulated = parts[2].children(SEQUENCE)
    if len(encapsulated) != 2:
        raise FileIsWrong("a timestamp without content")
    return _content_of(der.only(encapsulated[1].children(CONTEXT_0)), OCTET_STRING)


def _signed_data_parts(contents: bytes) -> list[DerElement]:
    kind, wrapped = der.read(contents).children(SEQUENCE)
    if kind.whole != cms_parts.SIGNED_DATA:
        raise FileIsWrong("no signed data")
    return der.only(wrapped.children(CONTEXT_0)).children(SEQUENCE)


def _check_signed_data(
    parts: list[DerElement],
    kind: bytes,
    digest: Digest,
    certificates: Collection[bytes],
) -> CheckedSignature:
    signer = der.only(parts[-1].children(SET)).children(SEQUENCE)
    _check_versions(parts, signer, kind)
    _, identifier, digest_algorithm, signed, algorithm, signature, *unsigned = signer
    encapsulated = parts[2].children(SEQUENCE)
    if encapsulated[0].whole != kind or (kind == cms_parts.DATA and len(encapsulated) != 1):
        raise FileIsWrong("a signature over something of another kind")
    inside = _certificates_inside(parts, kind, certificates)
    name = _hash_name(digest_algorithm)
    if [_hash_name(each) for each in parts[1].children(SET)] != [name]:
        raise FileIsWrong("the list of digests")
    values = _attributes(signed, CONTEXT_0)
    if values.get(cms_parts.CONTENT_TYPE) != kind:
        raise FileIsWrong("the kind of content")
    if values.get(cms_parts.MESSAGE_DIGEST) != encode(OCTET_STRING, digest(name)):
        raise FileIsWrong("the digest is of other bytes")
    certificate = _named_certificate(values, inside, timestamp=kind == cms_parts.TST_INFO)
    _check_identifier(identifier, certificate)
    value = _content_of(signature, OCTET_STRING)
    _verify(certificate, (algorithm, name), value, bytes((SET,)) + signed.whole[1:])
    return CheckedSignature(certificate, value, _attributes(unsigned[0], CONTEXT_1) if unsigned else {})


def _certificates_inside(parts: list[DerElement], kind: bytes, certificates: Collection[bytes]) -> list[bytes]:
    """Return the certificates in SignedData, all of which must be among `certificates`. Nothing else may be beside
    them."""
    inside = [each.whole for part in parts[3:-1] if part.tag == CONTEXT_0 for each in part.children(CONTEXT_0)]
    if [part.tag for part in parts[3:-1]].count(CONTEXT_0) > 1:
        raise FileIsWrong("two sets of certificates")
    if any(part.tag != CONTEXT_0 for part in parts[3:-1]) or not set(inside) <= set(certificates):
        if kind == cms_parts.TST_INFO:  # a service may add its chain and lists, or may have changed
            raise OutsideProfile("a timestamp with parts that are not configured")
        raise FileIsWrong("a certificate that nobody knows, or a damaged one")
    return inside


def _check_identifier(identifier: DerElement, certificate: bytes) -> None:
    """Check that the signer is identified by the issuer and serial number of this certificate."""
    names = _names_of(certificate)
    if identifier.tag != SEQUENCE:
        raise OutsideProfile("a signer named by a key identifier")
    if identifier.content != names.issuer + names.serial:
        raise FileIsWrong("two certificates are named")


def _check_versions(parts: list[DerElement], signer: list[DerElement], kind: bytes) -> None:
    expected = cms_parts.VERSION_1 if kind == cms_parts.DATA else cms_parts.VERSION_3
    if parts[0].whole != expected or signer[0].whole != cms_parts.VERSION_1 or not 6 <= len(signer) <= 7:
        raise FileIsWrong("the version of a signature")


def _hash_name(algorithm: DerElement) -> str:
    """Return the name of a digest algorithm."""
    kind = _kind_of(algorithm)
    if kind not in _HASHES:
        raise OutsideProfile("an unknown digest")
    return _HASHES[kind]


def _kind_of(algorithm: DerElement) -> bytes:
    """Return the identifier of an algorithm, whose parameters, which nothing else covers, have to be NULL or absent."""
    kind, *parameters = algorithm.children(SEQUENCE)
    if [each.whole for each in parameters] not in ([], [bytes((NULL, 0))]):
        raise FileIsWrong("the parameters of an algorithm")
    return kind.whole


def _attributes(whole: DerElement, tag: int) -> dict[bytes, bytes]:
    """Return the attributes by kind. Each may occur once, with one value."""
    found: dict[bytes, bytes] = {}
    for attribute in whole.children(tag):
        kind, values = attribute.children(SEQUENCE)
        if kind.tag != OID or kind.whole in found:
            raise FileIsWrong("an attribute occurs twice")
        found[kind.whole] = der.only(values.children(SET)).whole
    return found


def _named_certificate(values: dict[bytes, bytes], candidates: list[bytes], *, timestamp: bool) -> bytes:
    """Return the certificate that the signed attributes name (ESSCertIDv2, or in timestamps ESSCertID with SHA-1)."""
    if cms_parts.SIGNING_CERTIFICATE_V2 in values:
        reference = _first_reference(values[cms_parts.SIGNING_CERTIFICATE_V2])
        name = _hash_name(reference.pop(0)) if reference[0].tag == SEQUENCE else "sha256"
    elif timestamp and cms_parts.SIGNING_CERTIFICATE in values:
        reference, name = _first_reference(values[cms_parts.SIGNING_CERTIFICATE]), "sha1"
    else:
        raise FileIsWrong("no certificate is named")
    named = _content_of(reference[0], OCTET_STRING)
    for certificate in candidates:
        if hashlib.new(name, certificate, usedforsecurity=False).digest() == named:
            if [each.whole for each in reference[1:]] not in ([], [_issuer_and_serial(certificate)]):
                raise FileIsWrong("two certificates are named")
            return certificate
    if timestamp:  # perhaps an authority above it is configured instead
        raise OutsideProfile("a timestamp by a service whose certificate is not configured")
    raise FileIsWrong("the certificate that is named is not there")


def _issuer_and_serial(certificate: bytes) -> bytes:
    """Return IssuerSerial (RFC 5035, 4) of a certificate."""
    names = _names_of(certificate)
    return encode(SEQUENCE, encode(SEQUENCE, encode(DIRECTORY_NAME, names.issuer)) + names.serial)


def _first_reference(value: bytes) -> list[DerElement]:
    return der.read(value).children(SEQUENCE)[0].children(SEQUENCE)[0].children(SEQUENCE)


def _content_of(element: DerElement, tag: int) -> bytes:
    if element.tag != tag:
        raise FileIsWrong("a value of another kind")
    return element.content


def _verify(certificate: bytes, algorithm: tuple[DerElement, str], value: bytes, data: bytes) -> None:
    kind, name = _ALGORITHMS.get(_kind_of(algorithm[0]), ("", None))
    hashed = _HASH_CLASSES[name or algorithm[1]]
    try:
        key = _key_of(certificate)
        if kind == "ec" and isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
            key.verify(value, data, ec.ECDSA(hashed))
        elif kind == "rsa" and isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            key.verify(value, data, padding.PKCS1v15(), hashed)
        else:
            raise OutsideProfile("an unknown algorithm or key")
    except InvalidSignature:
        raise FileIsWrong("the value does not fit") from None
    except UnsupportedAlgorithm as error:
        raise OutsideProfile("an unknown key") from error
