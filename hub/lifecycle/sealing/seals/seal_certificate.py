"""Check, before each use of a seal's key, that the seal's certificate is still valid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.authorities import CertificateStatus, Revoked
from hub.errors import CertificateNotValid, CertificateRevoked
from hub.lifecycle.services import Services
from qianda.certificate_loading import load_certificate


async def check_seal_certificate(services: Services, chain: Sequence[bytes], revoked: Sequence[Revoked]) -> None:
    """Check at its authority that the seal's certificate is not revoked: such a seal could not complete a contract.

    `chain`: DER, the seal's own first. `revoked`: the revocations of the built-in authority. Raises
    CertificateNotValid, CertificateRevoked, and AuthorityUnavailable if neither a CRL nor an OCSP answer is available.
    """
    check_not_expired(chain[0], services.clock())
    if chain[-1] != services.signing.signer_trust.own:
        if (await services.signing.revocation.of(tuple(chain))).revoked:
            raise CertificateRevoked("the certificate of the seal was revoked")
        return
    if await services.sealing.authority.status(chain[0], revoked) is CertificateStatus.REVOKED:
        raise CertificateRevoked("the certificate of the seal was revoked")


def check_not_expired(certificate: bytes, now: datetime) -> None:
    """Raise CertificateNotValid if the certificate (DER) has expired."""
    ends = load_certificate(certificate).not_valid_after_utc
    if ends <= now:
        raise CertificateNotValid(f"the certificate of the seal expired on {ends:%Y-%m-%d}")
