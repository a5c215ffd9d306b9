"""Open a seal for files of other systems: read its picture, key and long-term validation data."""

from __future__ import annotations

from hub.authorities import CertificateStatus
from hub.documents.sealing.file_sealer import LongTerm, SealInHand
from hub.documents.signing.signature import Evidence
from hub.documents.signing.stamps import seal_stamp
from hub.errors import CertificateNotValid, CertificateRevoked
from hub.lifecycle.sealing.hub_step import list_revoked
from hub.lifecycle.sealing.seals.contract_seal import open_seal_key
from hub.lifecycle.sealing.seals.sm2_seals import open_sm2_seal
from hub.lifecycle.services import Services
from hub.model.sealing.seal import Seal
from hub.model.sealing.seal_fault import SealFault
from hub.model.staff.scope import EVERYTHING
from qianda.certificate_loading import load_certificate


async def open_seal(services: Services, seal: Seal) -> SealInHand:
    """Return the seal's picture and keys. Raises TokenUnavailable, CertificateNotValid."""
    opened = await open_seal_key(services.sealing, seal)
    async with services.database.transaction(EVERYTHING) as tx:
        side = await tx.sm2_seals.get(seal.id)
    picture = opened.picture or seal_stamp(opened.organisation)
    if side is None:
        return SealInHand(picture, opened.chain, opened.key)
    try:
        ofd = await open_sm2_seal(services, side)
    except CertificateNotValid:  # PDF files do not need it
        return SealInHand(picture, opened.chain, opened.key, ofd_fault=SealFault.OFD_SEAL_EXPIRED)
    return SealInHand(picture, opened.chain, opened.key, ofd)


async def collect_seal_evidence(services: Services, chain: tuple[bytes, ...]) -> LongTerm:
    """Return the long-term validation data of a seal. Files that are sealed within seconds share one CRL.

    Raises CertificateRevoked, and AuthorityUnavailable if neither a CRL nor an OCSP answer is available.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        revoked = await list_revoked(services, tx)
    ends = load_certificate(chain[0]).not_valid_after_utc
    own = await services.sealing.authority.revocation_list(revoked, speaks_until=ends)
    certificates = [*chain, *services.sealing.timestamps.certificates]
    if chain[-1] == services.signing.signer_trust.own:
        if await services.sealing.authority.status(chain[0], revoked) is CertificateStatus.REVOKED:
            raise CertificateRevoked("the certificate of the seal was revoked")
        return LongTerm(services.sealing.timestamps, Evidence(certificates, [own]))
    foreign = await services.signing.revocation.of(chain)
    if foreign.revoked:
        raise CertificateRevoked("the certificate of the seal was revoked")
    return LongTerm(services.sealing.timestamps, Evidence(certificates, [own, *foreign.lists], list(foreign.answers)))
