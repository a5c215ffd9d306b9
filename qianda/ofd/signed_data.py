"""Read the value of a signature without a seal: SignedData of GB/T 35275, which is that of CMS (RFC 5652) with other
content types.

Programs write it in two forms: with signed attributes, whose message digest is the hash of `Signature.xml`, or without
attributes; then the hash itself is the content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import core, parser, x509

from qianda import der
from qianda.cms_parts import NULL, object_identifier
from qianda.ofd import NotAnOfd, OfdTooLarge
from qianda.ofd.moments import read_moment
from qianda.sm2 import CURVE_OID, SIGNATURE_OID, SM3_OID

DATA_OID, SIGNED_DATA_OID = "1.2.156.10197.6.1.4.2.1", "1.2.156.10197.6.1.4.2.2"
# Some libraries use the content types of CMS.
_DATA_OIDS: Final = frozenset({DATA_OID, "1.2.840.113549.1.7.1"})
_SIGNED_DATA_OIDS: Final = frozenset({SIGNED_DATA_OID, "1.2.840.113549.1.7.2"})
CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"
# Programs identify SM2 signatures by one of these: the signature, the signing key, the curve.
_SM2_NAMES: Final = frozenset(map(object_identifier, (SIGNATURE_OID, "1.2.156.10197.1.301.1", CURVE_OID)))


MAX_CERTIFICATES: Final = 200  # in a value or a seal
_VERSION: Final = der.encode(der.INTEGER, b"\1")
_SM3: Final = object_identifier(SM3_OID)
# Programs omit the parameters, or write NULL; those of a signature may also be its curve.
_PARAMETERS: Final = (b"", NULL, object_identifier(CURVE_OID))
_HASHES: Final = (der.encode(der.SEQUENCE, _SM3), der.encode(der.SEQUENCE, _SM3 + NULL))


@dataclass(frozen=True)
class PlainValue:
    """The content of a signature without a seal. Fields: as in `qianda.ofd.values.SignatureValue`."""

    certificate: bytes
    others: tuple[bytes, ...]
    algorithm: str
    signed: bytes
    data_hash: bytes
    signature: bytes
    moment: datetime | None


class ContentInfo(core.Sequence):  # type: ignore[misc]
    """What was signed."""

    _fields = [  # noqa: RUF012
        ("content_type", core.ObjectIdentifier),
        ("content", core.OctetString, {"explicit": 0, "optional": True}),
    ]


class Algorithm(core.Sequence):  # type: ignore[misc]
    _fields = [("algorithm", core.ObjectIdentifier), ("parameters", core.Any, {"optional": True})]  # noqa: RUF012


class AlgorithmSet(core.SetOf):  # type: ignore[misc]
    _child_spec = Algorithm


class AnySet(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Any


class Attribute(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", AnySet)]  # noqa: RUF012


class AttributeSet(core.SetOf):  # type: ignore[misc]
    _child_spec = Attribute


class IssuerAndSerial(core.Sequence):  # type: ignore[misc]
    _fields = [("issuer", x509.Name), ("serial", core.Integer)]  # noqa: RUF012


class SignerInfo(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("signer", IssuerAndSerial),
        ("digest_algorithm", Algorithm),
        ("signed_attributes", AttributeSet, {"implicit": 0, "optional": True}),
        ("signature_algorithm", Algorithm),
        ("signature", core.OctetString),
        ("unsigned_attributes", AttributeSet, {"implicit": 1, "optional": True}),
    ]


class SignerInfoSet(core.SetOf):  # type: ignore[misc]
    _child_spec = SignerInfo


class CertificateSet(core.SetOf):  # type: ignore[misc]
    _child_spec = x509.Certificate


class SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digest_algorithms", AlgorithmSet),
        ("content_info", ContentInfo),
        ("certificates", CertificateSet, {"implicit": 0, "optional": True}),
        ("revocations", AnySet, {"implicit": 1, "optional": True}),
        ("signers", SignerInfoSet),
    ]


class SignedDataInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("content_type", core.ObjectIdentifier), ("content", SignedData, {"explicit": 0})]  # noqa: RUF012


def read_signed_data(data: bytes) -> PlainValue:
    """Read the value. Raises NotAnOfd; for malformed bytes also ValueError or TypeError, which asn1crypto raises."""
    outer = SignedDataInfo.load(data, strict=True)
    if outer["content_type"].dotted not in _SIGNED_DATA_OIDS:
        raise NotAnOfd("签名值的类型未知", "a signature value of an unknown type")
    signed = outer["content"]
    if len(signed["signers"]) != 1:
        raise NotAnOfd("签名值有多个签名者", "a signature value of several signers")
    signer = signed["signers"][0]
    check_count(signed["certificates"].contents or b"")
    certificates = tuple(one.dump() for one in signed["certificates"])
    certificate = _certificate_of(signer["signer"], certificates)
    _check_head(signed, signer)
    over, data_hash, moment = _read_signed(signed["content_info"], signer["signed_attributes"])
    named = signer["signature_algorithm"]["algorithm"]
    return PlainValue(
        certificate=certificate,
        others=tuple(one for one in certificates if one != certificate),
        algorithm=SIGNATURE_OID if named.dump() in _SM2_NAMES else named.dotted,
        signed=over,
        data_hash=data_hash,
        signature=signer["signature"].native,
        moment=moment,
    )


def check_count(listed: bytes) -> None:
    """Check that a list has few elements, without reading them: a small file can hold millions. Raises OfdTooLarge."""
    for _ in range(MAX_CERTIFICATES):
        if not listed:
            return
        listed = listed[parser.peek(listed) :]
    if listed:
        raise OfdTooLarge(f"证书超过 {MAX_CERTIFICATES} 张", f"more than {MAX_CERTIFICATES} certificates")


def _check_head(signed: Any, signer: Any) -> None:
    """Check the parts that no signature covers: versions and hashes may have only one form, so that no bit of them can
    be changed unnoticed. Raises NotAnOfd."""
    if signed["version"].dump() != _VERSION or signer["version"].dump() != _VERSION:
        raise NotAnOfd("签名值是其他版本", "a signature value of another version")
    if signer["digest_algorithm"].dump() not in _HASHES:
        raise NotAnOfd("签名值没有使用 SM3", "a signature value that is not made with SM3")
    if signed["digest_algorithms"].dump() not in [der.encode(der.SET, one) for one in _HASHES]:
        raise NotAnOfd("签名值没有使用 SM3", "a signature value that is not made with SM3")
    if signer["signature_algorithm"]["parameters"].dump() not in _PARAMETERS:
        raise NotAnOfd("签名值的算法带有参数", "a signature value whose algorithm has parameters")


def _read_signed(content_info: Any, attributes: Any) -> tuple[bytes, bytes, datetime | None]:
    """Return the signed bytes, the hash in them, and the time if there is one."""
    if content_info["content_type"].dotted not in _DATA_OIDS:
        raise NotAnOfd("签名值所签的内容类型未知", "a signature value over an unknown content")
    content: bytes | None = content_info["content"].native
    if isinstance(attributes, core.Void):
        if content is None:
            raise NotAnOfd("签名值没有摘要", "a signature value without the hash")
        return content, content, None
    # Signed as SET, stored as [0] (RFC 5652, 5.4).
    over = b"\x31" + attributes.dump()[1:]
    data_hash, moment = _read_attributes(attributes)
    if content not in (None, data_hash):
        raise NotAnOfd("签名值的内容与其属性不符", "a signature value whose content is not what its attributes say")
    return over, data_hash, moment


def _certificate_of(named: Any, certificates: tuple[bytes, ...]) -> bytes:
    for encoded in certificates:
        certificate = x509.Certificate.load(encoded)
        same_serial = certificate.serial_number == named["serial"].native
        if same_serial and certificate.issuer.dump() == named["issuer"].dump():
            return encoded
    raise NotAnOfd("签名值没有签名者的证书", "a signature value without the signer's certificate")


def _read_attributes(attributes: Any) -> tuple[bytes, datetime | None]:
    found: dict[str, Any] = {}
    for attribute in attributes:
        kind = attribute["type"].dotted
        if kind in found or len(attribute["values"]) != 1:
            raise NotAnOfd("签名值的属性重复", "a signature value with a doubled attribute")
        found[kind] = attribute["values"][0].parse()
    if MESSAGE_DIGEST not in found:
        raise NotAnOfd("签名值没有摘要", "a signature value without the hash")
    if CONTENT_TYPE in found and found[CONTENT_TYPE].dotted not in _DATA_OIDS:
        raise NotAnOfd("签名值所签的内容类型未知", "a signature value over an unknown content")
    moment = read_moment(found[SIGNING_TIME].contents.decode("ascii")) if SIGNING_TIME in found else None
    return found[MESSAGE_DIGEST].native, moment
