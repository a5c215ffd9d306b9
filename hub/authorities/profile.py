"""Build the fields of certificates and CRLs of the built-in authority (RFC 5280, RFC 9336, RFC 3161).

Nothing here signs; `builtin.py` does, with a key that may be on a token.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from asn1crypto import algos, core, crl, keys, x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hub.authorities import Revoked
from hub.errors import BadInput
from qianda import der
from qianda.certificate_loading import load_certificate
from qianda.passkey_binding import PasskeyBinding, encode_extension
from qianda.trust_marks import SEAL_POLICY_OID, TRIAL_NOTICE, TRIAL_POLICY_OID

MAX_NAME_LENGTH: Final = 64  # characters: the upper bound of common and organisation names (RFC 5280, appendix A)
MIN_RSA_BITS: Final = 2048
# Number of certificates and keys whose check or name is remembered: those of authorities come with each contract.
MAX_KNOWN: Final = 500
DOCUMENT_SIGNING: Final = "1.3.6.1.5.5.7.3.36"  # RFC 9336; poppler needs emailProtection as well
SIGNING_PURPOSES: Final = (DOCUMENT_SIGNING, "email_protection")
SIGNATURE_ALGORITHM: Final = {"algorithm": "sha256_ecdsa"}

_ALGORITHM: Final = bytes(algos.SignedDigestAlgorithm(SIGNATURE_ALGORITHM).dump())
# Tags of a certificate (RFC 5280, 4.1): version 3, and the extensions.
_V3: Final = bytes.fromhex("a003020102")
_EXTENSIONS: Final = 0xA3
# Of a CRL (RFC 5280, 5.1): version 2, the extensions, and the name of the one with its number.
_V2: Final = bytes.fromhex("020101")
_LIST_EXTENSIONS: Final = 0xA0
_CRL_NUMBER: Final = bytes.fromhex("0603551d14")

Extension = tuple[str, bool, Any]  # name, critical, value


def organisation_name(organisation: str) -> str:
    """Return the organisation and the notice that its certificates are for trial only, in all at most 64 characters."""
    notice = f" ({TRIAL_NOTICE})"
    return shorten_text(organisation, MAX_NAME_LENGTH - len(notice)) + notice


def shorten_text(name: str, limit: int = MAX_NAME_LENGTH) -> str:
    """Return a name cut to `limit` characters with an ellipsis, never between a letter and its combining marks.

    Raises BadInput for an empty name.
    """
    clean = " ".join("".join(" " if unicodedata.category(c) == "Cc" else c for c in name).split())
    if not clean:
        raise BadInput("a certificate needs a name")
    if len(clean) <= limit:
        return clean
    end = limit - 1
    while end > 1 and unicodedata.combining(clean[end]):
        end -= 1
    return clean[:end].rstrip() + "…"


def name(organisation: str, common_name: str, serial_number: str | None = None) -> x509.Name:
    parts = {"organization_name": organisation_name(organisation), "common_name": shorten_text(common_name)}
    if serial_number is not None:
        parts["serial_number"] = serial_number
    return x509.Name.build(parts)


def acceptable_key(spki: bytes) -> keys.PublicKeyInfo:
    """Return a public key that may be certified: P-256, or RSA with at least 2048 bits. Raises BadInput for others."""
    try:
        public_key = serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadInput("the public key cannot be read", field="spki") from error
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        fits = public_key.curve.name == ec.SECP256R1.name
    else:
        fits = isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size >= MIN_RSA_BITS
    if not fits:
        raise BadInput("the public key is neither P-256 nor RSA from 2048 bits", field="spki")
    return keys.PublicKeyInfo.load(spki)


@lru_cache(maxsize=MAX_KNOWN)
def issued_by(certificate: bytes, issuer: bytes) -> bool:
    """Return whether one certificate (DER) names the other as its issuer, and is signed by it."""
    try:
        load_certificate(certificate).verify_directly_issued_by(load_certificate(issuer))
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


@lru_cache(maxsize=MAX_KNOWN)
def key_identifier(spki: bytes) -> bytes:
    return hash_key_bits(acceptable_key(spki))


def hash_key_bits(key: keys.PublicKeyInfo) -> bytes:
    """Return the SHA-1 over the key bits, as in RFC 5280, 4.2.1.2 (1). It serves as a name, not as protection."""
    return hashlib.sha1(key["public_key"].contents[1:], usedforsecurity=False).digest()


def root_extensions(spki: bytes) -> list[Extension]:
    return [
        ("basic_constraints", True, {"ca": True, "path_len_constraint": 0}),
        ("key_usage", True, {"key_cert_sign", "crl_sign"}),
        ("key_identifier", False, key_identifier(spki)),
        ("certificate_policies", False, [{"policy_identifier": TRIAL_POLICY_OID}]),
    ]


@dataclass(frozen=True)
class PublicAddresses:
    """The public URLs of an authority's revocation list, its OCSP responder and its certificate."""

    revocation_list: str
    status: str
    certificate: str


def leaf_extensions(
    spki: bytes, issuer_spki: bytes, addresses: PublicAddresses, *, seal: bool = False
) -> list[Extension | bytes]:
    """Return the extensions that signer, seal and timestamp certificates share. `seal`: state that it is a seal."""
    return [("key_identifier", False, key_identifier(spki)), *_extensions_below(issuer_spki, addresses, seal)]


@lru_cache(maxsize=MAX_KNOWN)
def _extensions_below(issuer_spki: bytes, addresses: PublicAddresses, seal: bool) -> list[bytes]:
    """Return, in DER, the extensions that are the same in all certificates of this authority."""
    policies = [TRIAL_POLICY_OID, SEAL_POLICY_OID] if seal else [TRIAL_POLICY_OID]
    extensions: list[Extension] = [
        ("basic_constraints", True, {"ca": False}),
        ("authority_key_identifier", False, {"key_identifier": key_identifier(issuer_spki)}),
        ("certificate_policies", False, [{"policy_identifier": each} for each in policies]),
        ("crl_distribution_points", False, [{"distribution_point": ("full_name", [_uri(addresses.revocation_list)])}]),
        (
            "authority_information_access",
            False,
            [
                {"access_method": "ocsp", "access_location": _uri(addresses.status)},
                {"access_method": "ca_issuers", "access_location": _uri(addresses.certificate)},
            ],
        ),
    ]
    return [_encode_extension(each) for each in extensions]


def signing_extensions(passkey: PasskeyBinding | None = None) -> list[Extension]:
    """Return the extensions for signing. `passkey`: the one that may confirm a signature. Other software ignores that
    extension."""
    usage = [
        ("key_usage", True, {"digital_signature", "non_repudiation"}),
        ("extended_key_usage", False, list(SIGNING_PURPOSES)),
    ]
    if passkey is not None:
        attributes = core.ParsableOctetString(encode_extension(passkey.encode()))
        usage.append(("subject_directory_attributes", False, attributes))
    return usage


def timestamp_extensions() -> list[Extension]:
    """Return the extensions for timestamps: for time stamping only, and critical (RFC 3161, 2.3)."""
    return [("key_usage", True, {"digital_signature"}), ("extended_key_usage", True, ["time_stamping"])]


@dataclass(frozen=True)
class KeyHolder:
    """The subject of a certificate and its key."""

    name: x509.Name
    spki: bytes


def certificate_body(
    issuer: x509.Name,
    holder: KeyHolder,
    serial: int,
    life: tuple[datetime, datetime],
    extensions: Sequence[Extension | bytes],
) -> bytes:
    """Return TBSCertificate (RFC 5280, 4.1), in DER. It is joined from its parts, because asn1crypto takes ten times as
    long to encode it. `extensions`: those already in DER are used unchanged."""
    acceptable_key(holder.spki)
    return _sequence(
        _V3,
        _der(core.Integer(serial)),
        _ALGORITHM,
        _der(issuer),
        _sequence(_der(point_in_time(life[0])), _der(point_in_time(life[1]))),
        _der(holder.name),
        holder.spki,
        der.encode(_EXTENSIONS, _sequence(*map(_encode_extension, extensions))),
    )


def revocation_list_body(
    issuer: x509.Name, issuer_spki: bytes, life: tuple[datetime, datetime], revoked: Sequence[Revoked]
) -> bytes:
    """Return TBSCertList (RFC 5280, 5.1), in DER, joined as `certificate_body` is. Its number, the time in
    milliseconds, grows and need not be stored."""
    number = _sequence(_CRL_NUMBER, der.encode(der.OCTET_STRING, _der(core.Integer(int(life[0].timestamp() * 1000)))))
    return _sequence(
        _V2,
        _ALGORITHM,
        _der(issuer),
        _der(point_in_time(life[0])),
        _der(point_in_time(life[1])),
        *([_sequence(*map(_revoked_entry, revoked))] if revoked else []),  # not if empty (RFC 5280, 5.1.2.6)
        der.encode(_LIST_EXTENSIONS, _sequence(_issuer_key(issuer_spki), number)),
    )


@lru_cache(maxsize=MAX_KNOWN)
def _issuer_key(spki: bytes) -> bytes:
    """Return the extension of a CRL that names the issuer's key."""
    return _encode_extension(("authority_key_identifier", False, {"key_identifier": key_identifier(spki)}))


def signed(body: bytes, signature: bytes) -> bytes:
    """Return the certificate or CRL (DER) with this body and the root's signature over it."""
    return _sequence(body, _ALGORITHM, _der(core.OctetBitString(signature)))


def point_in_time(moment: datetime) -> x509.Time:
    """Return a time in whole seconds: UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280, 4.1.2.5)."""
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return x509.Time("utc_time" if whole.year < 2050 else "general_time", whole)


@lru_cache(maxsize=MAX_KNOWN)
def _revoked_entry(entry: Revoked) -> bytes:
    line: dict[str, Any] = {"user_certificate": entry.serial, "revocation_date": point_in_time(entry.revoked_at)}
    if entry.reason != "unspecified":  # `unspecified` should be left out (RFC 5280, 5.3.1)
        line["crl_entry_extensions"] = [{"extn_id": "crl_reason", "extn_value": entry.reason}]
    return _der(crl.RevokedCertificate(line))


def _uri(url: str) -> x509.GeneralName:
    return x509.GeneralName("uniform_resource_identifier", url)


def _encode_extension(extension: Extension | bytes) -> bytes:
    if isinstance(extension, bytes):
        return extension
    extn_id, critical, value = extension
    return _der(x509.Extension({"extn_id": extn_id, "critical": critical, "extn_value": value}))


def _sequence(*parts: bytes) -> bytes:
    return der.encode(der.SEQUENCE, b"".join(parts))


def _der(value: Any) -> bytes:
    return bytes(value.dump())
