"""Certificates on tokens: which of them can sign, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from qianda.certificate_facts import common_name, is_authority
from qianda.certificate_loading import load_certificate
from qianda.verify.purpose import is_for_signing

MIN_RSA_BITS = 2048
MAX_CHAIN_LENGTH = 10


@dataclass(frozen=True)
class TokenCertificate:
    """A certificate on a token.

    `id` is the CKA_ID that the certificate shares with its private key. `reason` is the name of the text that says why
    the certificate cannot sign; empty if it can.
    """

    der: bytes
    id: bytes
    name: str
    issuer: str
    until: datetime
    authority: bool
    reason: str

    @property
    def spki(self) -> bytes:
        public_key = load_certificate(self.der).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return public_key.public_bytes(serialization.Encoding.DER, form)


def read_certificate(der: bytes, identifier: bytes) -> TokenCertificate | None:
    """Return the certificate (DER) with the facts that the agent needs, or None if the bytes are not an X.509
    certificate."""
    try:
        found = load_certificate(der)
        name, issuer = (common_name(one) for one in (found.subject, found.issuer))
        authority = is_authority(found)
        reason = _reason(found)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return TokenCertificate(der, identifier, name, issuer, found.not_valid_after_utc, authority, reason)


def chain_of(leaf: TokenCertificate, others: Sequence[TokenCertificate]) -> tuple[bytes, ...]:
    """Return the chain in DER: `leaf`, then its issuers as far as they are on the token. The hub has the others."""
    chain = [load_certificate(leaf.der)]
    above = [load_certificate(other.der) for other in others if other.authority]
    while len(chain) < MAX_CHAIN_LENGTH:
        issuers = [one for one in above if one.subject == chain[-1].issuer and one not in chain]
        if not issuers:
            break
        chain.append(issuers[0])
    return tuple(one.public_bytes(serialization.Encoding.DER) for one in chain)


def _reason(found: x509.Certificate) -> str:
    if not _key_fits(found):
        return "reason-key"
    if not _is_for_signing(found):
        return "reason-usage"
    now = datetime.now(UTC)
    return "" if found.not_valid_before_utc <= now < found.not_valid_after_utc else "reason-expired"


def _key_fits(found: x509.Certificate) -> bool:
    try:
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm):  # an unknown curve
        return False
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name == ec.SECP256R1.name
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS


def _is_for_signing(found: x509.Certificate) -> bool:
    """Return whether the hub takes the certificate: it states a key usage, and is for signing (`is_for_signing`)."""
    try:
        found.extensions.get_extension_for_class(x509.KeyUsage)
        read = asn1_x509.Certificate.load(found.public_bytes(serialization.Encoding.DER))
        return is_for_signing(read)
    except (x509.ExtensionNotFound, TypeError):  # asn1crypto raises TypeError for malformed values
        return False
