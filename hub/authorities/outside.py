"""Code that all outside authorities share: the pinned chain, and the check of the certificates that they issue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from asn1crypto import pem, x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import BaseModel, ConfigDict, Field

from hub.authorities import CLOCK_TOLERANCE, AuthorityContext, CertificateStatus, Issued, Revoked
from hub.authorities.ocsp_client import list_addresses as ocsp_addresses
from hub.authorities.profile import issued_by
from hub.authorities.revocation import RevocationClient, names_a_source
from hub.errors import AuthorityUnavailable
from qianda.certificate_loading import load_certificate
from qianda.verify.purpose import is_for_signing
from qianda.verify.trust import says_trial

Kind = TypeVar("Kind", bound=x509.ExtensionType)


class OutsideOptions(BaseModel):
    """Options of every outside authority.

    `chain`: files (PEM or DER) with the certificates above the issued ones, the issuing one first, the root last.
    `trial`: its certificates are for trial only. `deadline`: seconds for a whole call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain: list[Path] = Field(min_length=1)
    trial: bool = False
    deadline: float = Field(default=15, gt=0, le=60)


class OutsideAuthority:
    """The part of an authority that does not depend on its protocol."""

    def __init__(self, options: OutsideOptions, context: AuthorityContext) -> None:
        """Read the chain. Raises ValueError if it is not a chain, OSError if a file cannot be read."""
        try:
            self.chain = tuple(der for path in options.chain for der in read_certificates(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"authorities.{context.name}.chain: {error}") from error
        if not all(issued_by(lower, upper) for lower, upper in pairwise(self.chain)):
            raise ValueError(f"authorities.{context.name}.chain: a certificate is not issued by the next one")
        if not all(names_a_source(each) for each in self.chain[:-1]):
            raise ValueError(
                f"authorities.{context.name}.chain: a certificate below the root names neither a revocation list nor"
                " OCSP, by HTTP, so no signature made with it could be checked"
            )
        self.trial = options.trial or any(says_trial(asn1_x509.Certificate.load(der)) for der in self.chain)
        self.context = context
        self._lists = RevocationClient(context.http, context.clock)

    def accepted(self, answered: Iterable[bytes], spki: bytes) -> Issued:
        """Return an answer's certificate for this key. Raises AuthorityUnavailable if none can be used."""
        try:
            certificates = [load_certificate(der) for der in answered]
            mine = [each for each in certificates if _spki(each) == spki]
        except (ValueError, UnsupportedAlgorithm) as error:
            raise AuthorityUnavailable(f"{self.context.name}: the certificate cannot be read") from error
        if len(mine) != 1:
            raise AuthorityUnavailable(f"{self.context.name}: the certificate is for another key")
        der = mine[0].public_bytes(serialization.Encoding.DER)
        trouble = self._trouble_with(mine[0])
        if not issued_by(der, self.chain[0]):
            trouble = "the certificate was issued by somebody else"
        if trouble:
            raise AuthorityUnavailable(f"{self.context.name}: {trouble}")
        life = mine[0].not_valid_before_utc, mine[0].not_valid_after_utc
        return Issued(der, (der, *self.chain), mine[0].serial_number, *life)

    def _trouble_with(self, certificate: x509.Certificate) -> str:
        now = self.context.clock()
        if certificate.not_valid_after_utc <= now or certificate.not_valid_before_utc > now + CLOCK_TOLERANCE:
            return "the certificate is not valid now"
        if not is_for_signing(asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))):
            return "the certificate is not for signing documents"
        if _extension(certificate, x509.CRLDistributionPoints) is None and not list(ocsp_addresses(certificate)):
            return "the certificate names neither revocation list nor OCSP: later nobody could say that it was good"
        return ""

    async def status(self, certificate: bytes, revoked: Sequence[Revoked] = ()) -> CertificateStatus:
        if not issued_by(certificate, self.chain[0]):
            return CertificateStatus.UNKNOWN
        known = load_certificate(certificate).serial_number in {each.serial for each in revoked}
        listed = known or (await self._lists.of((certificate, *self.chain))).revoked
        return CertificateStatus.REVOKED if listed else CertificateStatus.GOOD


def read_certificates(content: bytes) -> list[bytes]:
    """Return every certificate (DER) in the content of a PEM or DER file. Raises ValueError if there is none."""
    found = split_certificates(content)
    for der in found:
        load_certificate(der)
    if not found:
        raise ValueError("there is no certificate in it")
    return found


def split_certificates(content: bytes) -> list[bytes]:
    """Return the certificates in PEM, or the content itself, which is then DER. Raises ValueError for invalid PEM."""
    if not pem.detect(content):
        return [content]
    return [bytes(der) for kind, _, der in pem.unarmor(content, multiple=True) if kind == "CERTIFICATE"]


def _spki(certificate: x509.Certificate) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(serialization.Encoding.DER, form)


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
