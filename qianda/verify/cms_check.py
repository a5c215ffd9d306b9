"""Check one CMS signature: digest, value and certificate named. RFC 5652 5, RFC 5035, ETSI EN 319 122-1."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms, parser, tsp, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import Certificate

from qianda import der
from qianda.certificate_loading import load_certificate
from qianda.confirmation import CONFIRMATION_OID, CheckedConfirmation, check_confirmation
from qianda.passkey import WrongPasskey
from qianda.verify import reasons
from qianda.verify.findings import Reason
from qianda.verify.whole_certificate import check_certificate

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_CONTENT, _NULL = 0xA0, b"\x05\x00"
_REQUIRED_ONCE = ("content_type", "message_digest")
_CURVES = (ec.SECP256R1, ec.SECP384R1)
SIGNATURE_TIMESTAMP_OID = "1.2.840.113549.1.9.16.2.14"
_MIN_RSA_BITS, _MAX_RSA_BITS = 2048, 8192


class BadCmsSignature(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.en)
        self.reason = reason


@dataclass(frozen=True)
class CheckedCms:
    """A signature whose digest and value are right. Trust is not checked yet. `to_be_signed`: its signed attributes."""

    certificate: x509.Certificate
    encoded_certificate: bytes
    certificates: tuple[x509.Certificate, ...]
    signature: bytes
    to_be_signed: bytes
    signer_info: cms.SignerInfo


@dataclass(frozen=True)
class CheckedTimestamp:
    """An RFC 3161 token whose digest matches the stamped data."""

    time: datetime
    certificate: x509.Certificate
    encoded_certificate: bytes

    @property
    def was_alive(self) -> bool:
        """Return whether its certificate was valid at its time."""
        return bool(self.certificate.not_valid_before <= self.time <= self.certificate.not_valid_after)


def check_detached(contents: bytes, digest: Callable[[str], bytes]) -> CheckedCms:
    """Check a PAdES signature. `digest(algorithm)` hashes the bytes that it covers. Raises BadCmsSignature."""
    try:
        signed = _signed_data(contents)
        if signed["encap_content_info"]["content_type"].native != "data":
            raise BadCmsSignature(reasons.CMS_UNREADABLE)
        if signed["encap_content_info"]["content"].native is not None:
            raise BadCmsSignature(reasons.CMS_UNREADABLE)
        checked = _checked(signed, "data", digest)
        for one in checked.certificates:
            check_certificate(one)
        return checked
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadCmsSignature(reasons.CMS_UNREADABLE) from error


def check_timestamp(token: bytes, digest: Callable[[str], bytes]) -> CheckedTimestamp:
    """Check an RFC 3161 token in DER (zero padding may follow); `digest` hashes the stamped data. Raises
    BadCmsSignature."""
    try:
        signed = _signed_data(token)
        content = bytes(signed["encap_content_info"]["content"])
        checked = _checked(signed, "tst_info", lambda algorithm: hashlib.new(algorithm, content).digest())
        check_certificate(checked.certificate)
        info = tsp.TSTInfo.load(content, strict=True)
        imprint = info["message_imprint"]
        algorithm = imprint["hash_algorithm"]["algorithm"].native
        if algorithm not in _HASHES or imprint["hashed_message"].native != digest(algorithm):
            raise BadCmsSignature(reasons.TIME_WRONG)
        return CheckedTimestamp(info["gen_time"].native, checked.certificate, checked.encoded_certificate)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadCmsSignature(reasons.TIME_WRONG) from error


def read_timestamp(token: bytes) -> CheckedTimestamp:
    """Check only the token itself, not what it covers. Raises BadCmsSignature."""
    try:
        info = tsp.TSTInfo.load(bytes(_signed_data(token)["encap_content_info"]["content"]), strict=True)
        imprint = bytes(info["message_imprint"]["hashed_message"].native)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadCmsSignature(reasons.TIME_WRONG) from error
    return check_timestamp(token, lambda _: imprint)


def signature_timestamp(checked: CheckedCms) -> CheckedTimestamp:
    """Check the timestamp over the signature value, an unsigned attribute. Raises BadCmsSignature, also if missing."""
    tokens = _unsigned_values(checked, SIGNATURE_TIMESTAMP_OID)
    if not tokens:
        raise BadCmsSignature(reasons.TIME_MISSING)
    if len(tokens) > 1:
        raise BadCmsSignature(reasons.TIME_WRONG)
    return check_timestamp(tokens[0].dump(), lambda algorithm: hashlib.new(algorithm, checked.signature).digest())


def confirmation(checked: CheckedCms) -> CheckedConfirmation | None:
    """Check the passkey's confirmation of this signature; return None if there is none.

    Raises BadCmsSignature if the confirmation is wrong, or if there are several.
    """
    values = _unsigned_values(checked, CONFIRMATION_OID)
    try:
        if len(values) > 1:
            raise WrongPasskey("there are several")
        if not values:
            return None
        return check_confirmation(values[0].dump(), checked.to_be_signed, checked.encoded_certificate)
    except WrongPasskey as wrong:
        raise BadCmsSignature(reasons.CONFIRMATION_WRONG.about(what=wrong)) from wrong


def _unsigned_values(checked: CheckedCms, kind: str) -> list[Any]:
    """Return the values of an unsigned attribute. Raises BadCmsSignature if these attributes, which everybody can
    change, cannot be read."""
    try:
        attributes = checked.signer_info["unsigned_attrs"] or ()
        return [value for one in attributes if one["type"].dotted == kind for value in one["values"]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise BadCmsSignature(reasons.CMS_UNREADABLE) from error


def _signed_data(contents: bytes) -> cms.SignedData:
    length = parser.peek(contents)
    if contents[length:].strip(b"\0"):
        raise BadCmsSignature(reasons.CMS_UNREADABLE)
    info = cms.ContentInfo.load(contents[:length], strict=True)
    _check_ends(contents[:length])
    if info["content_type"].native != "signed_data" or len(info["content"]["signer_infos"]) != 1:
        raise BadCmsSignature(reasons.CMS_UNREADABLE)
    return info["content"]


def _check_ends(content_info: bytes) -> None:
    """Check that the parts of the ContentInfo fill it. Raises ValueError.

    If a length is too long and includes zeros of the padding, asn1crypto ignores these zeros.
    """
    _, content = der.read(content_info).children(der.SEQUENCE)
    der.only(content.children(_CONTENT)).children(der.SEQUENCE)


def _checked(signed: cms.SignedData, content_type: str, digest: Callable[[str], bytes]) -> CheckedCms:
    _check_head(signed, content_type)
    signer = signed["signer_infos"][0]
    # asn1crypto returns the original bytes until a part is accessed; afterwards it encodes them again, slowly.
    to_be_signed = b"\x31" + signer["signed_attrs"].dump()[1:]  # signed as SET, stored as [0]: RFC 5652 5.4
    certificates = tuple(_certificates(signed))
    certificate, encoded = _signer_certificate(signer["sid"].chosen, certificates)
    values = _attribute_values(signer["signed_attrs"])
    algorithm = signer["digest_algorithm"]["algorithm"].native
    if algorithm not in _HASHES:
        raise BadCmsSignature(reasons.ALGORITHM_UNKNOWN)
    if values["content_type"].native != content_type or values["message_digest"].native != digest(algorithm):
        raise BadCmsSignature(reasons.DIGEST_WRONG)
    if not _named(values, encoded):
        raise BadCmsSignature(reasons.CERTIFICATE_NOT_NAMED)
    _verify_value(encoded, signer, algorithm, to_be_signed)
    for _, other in certificates:
        _accepted_key(other)
    others = tuple(other for other, _ in certificates)
    return CheckedCms(certificate, encoded, others, signer["signature"].native, to_be_signed, signer)


def _check_head(signed: cms.SignedData, content_type: str) -> None:
    """Check the parts that neither the digest nor the signature covers, so that no bit of them can be changed
    unnoticed: the versions, the list of digests, the kind of content, and that digests have no parameters.

    Raises BadCmsSignature. Sources: RFC 5652 5.1 to 5.3, RFC 5754 2.
    """
    signer = signed["signer_infos"][0]
    version = "v1" if isinstance(signer["sid"].chosen, cms.IssuerAndSerialNumber) else "v3"
    digests = [signer["digest_algorithm"], *signed["digest_algorithms"]]
    if (
        signer["version"].native != version
        or signed["version"].native != (version if content_type == "data" else "v3")
        or signed["encap_content_info"]["content_type"].native != content_type
        or [one["algorithm"].native for one in digests] != [digests[0]["algorithm"].native] * 2
        or any(one["parameters"].dump() not in (b"", _NULL) for one in digests)
    ):
        raise BadCmsSignature(reasons.CMS_UNREADABLE)


def _certificates(signed: cms.SignedData) -> Iterator[tuple[x509.Certificate, bytes]]:
    for choice in signed["certificates"] or ():
        if choice.name == "certificate":
            encoded = choice.chosen.dump()
            yield x509.Certificate.load(encoded), encoded


def _attribute_values(attributes: cms.CMSAttributes) -> dict[str, Any]:
    """Return the signed attributes, each with its single value.

    Raises BadCmsSignature, also if one of the two attributes that RFC 5652 11 demands is missing.
    """
    values: dict[str, Any] = {}
    for attribute in attributes:
        name = attribute["type"].native
        if name in values or len(attribute["values"]) != 1:
            raise BadCmsSignature(reasons.CMS_UNREADABLE)
        values[name] = attribute["values"][0]
    if not all(name in values for name in _REQUIRED_ONCE):
        raise BadCmsSignature(reasons.CMS_UNREADABLE)
    return values


def _signer_certificate(
    sid: Any, certificates: tuple[tuple[x509.Certificate, bytes], ...]
) -> tuple[x509.Certificate, bytes]:
    for certificate, encoded in certificates:
        if isinstance(sid, cms.IssuerAndSerialNumber):
            same_serial = certificate.serial_number == sid["serial_number"].native
            if same_serial and certificate.issuer.dump() == sid["issuer"].dump():
                return certificate, encoded
        elif certificate.key_identifier == sid.native:
            return certificate, encoded
    raise BadCmsSignature(reasons.CERTIFICATE_NOT_NAMED)


def _named(values: dict[str, Any], encoded: bytes) -> bool:
    """Return whether the attributes name this certificate: by ESSCertIDv2 (RFC 5035), or in timestamps by ESSCertID
    with a SHA-1 (RFC 2634)."""
    if "signing_certificate_v2" in values:
        first = values["signing_certificate_v2"]["certs"][0]
        algorithm = first["hash_algorithm"]["algorithm"].native
        return algorithm in _HASHES and first["cert_hash"].native == hashlib.new(algorithm, encoded).digest()
    if "signing_certificate" in values and values["content_type"].native == "tst_info":
        first = values["signing_certificate"]["certs"][0]
        return bool(first["cert_hash"].native == hashlib.sha1(encoded, usedforsecurity=False).digest())
    return False


def _verify_value(certificate: bytes, signer: cms.SignerInfo, digest: str, data: bytes) -> None:
    algorithm = signer["signature_algorithm"]
    value = signer["signature"].native
    try:
        key = _accepted_key(certificate)
        hashed = _HASHES[_hash_of(algorithm, digest)]
        kind = algorithm.signature_algo
        if algorithm["parameters"].dump() not in (b"", _NULL):  # neither digest nor signature covers them
            raise BadCmsSignature(reasons.ALGORITHM_UNKNOWN)
        if kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(value, data, ec.ECDSA(hashed))
        elif kind == "rsassa_pkcs1v15" and isinstance(key, rsa.RSAPublicKey):
            key.verify(value, data, padding.PKCS1v15(), hashed)
        else:
            raise BadCmsSignature(reasons.ALGORITHM_UNKNOWN)
    except (KeyError, UnsupportedAlgorithm) as error:
        raise BadCmsSignature(reasons.ALGORITHM_UNKNOWN) from error
    except InvalidSignature as error:
        raise BadCmsSignature(reasons.VALUE_WRONG) from error


def _accepted_key(certificate: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    try:
        return accepted_key(load_certificate(certificate))
    except ValueError as error:
        raise BadCmsSignature(reasons.KEY_NOT_ACCEPTED) from error


def accepted_key(certificate: Certificate) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    """Return the certificate's public key: P-256, P-384, or RSA of 2048 to 8192 bits. Others raise BadCmsSignature."""
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadCmsSignature(reasons.KEY_NOT_ACCEPTED) from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    if isinstance(key, rsa.RSAPublicKey) and _MIN_RSA_BITS <= key.key_size <= _MAX_RSA_BITS:
        return key
    raise BadCmsSignature(reasons.KEY_NOT_ACCEPTED)


def _hash_of(algorithm: cms.SignedDigestAlgorithm, digest: str) -> str:
    """Return the hash that the signature algorithm names; if none (plain rsaEncryption), that of the digest."""
    try:
        return str(algorithm.hash_algo)
    except ValueError:
        return digest
