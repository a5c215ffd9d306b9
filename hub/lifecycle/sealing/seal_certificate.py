"""Whether the certificate of the school's seal still speaks for it: asked before each use of the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509

from hub.authorities import CertificateStatus, Revoked
from hub.errors import CertificateNotValid, CertificateRevoked
from hub.lifecycle.services import Services


async def check_seal_certificate(services: Services, revoked: Sequence[Revoked]) -> None:
    """Ask its authority. A seal set by a certificate that is no longer good could never be completed.

    `revoked`: what the built-in authority has revoked. Raises CertificateNotValid, CertificateRevoked, and
    AuthorityUnavailable where nobody answers.
    """
    chain = services.sealing.seal.chain
    check_not_expired(chain[0], services.clock())
    if chain[-1] != services.signing.signer_trust.own:
        if (await services.signing.revocation.of(chain)).revoked:
            raise CertificateRevoked("the certificate of the seal was revoked")
        return
    if await services.sealing.authority.status(chain[0], revoked) is CertificateStatus.REVOKED:
        raise CertificateRevoked("the certificate of the seal was revoked")


def check_not_expired(certificate: bytes, now: datetime) -> None:
    """Raises CertificateNotValid."""
    ends = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    if ends <= now:
        raise CertificateNotValid(f"the certificate of the seal expired on {ends:%Y-%m-%d}")
