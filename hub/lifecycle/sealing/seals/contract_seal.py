"""Choose the seal for a contract. The seal that the configuration names is used where no grant names another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from hub.documents.signing.signature import certified_key
from hub.errors import CertificateNotValid, SealNotFound
from hub.lifecycle.services import SealingServices, SealKey, Services
from hub.model.contract.contract import Contract
from hub.model.sealing.seal import KeyPlace, Seal, SealKind, SealState
from hub.model.sealing.seal_grant import CONTRACTS, SealGrant, choose_contract_grant
from hub.store.transaction import Transaction
from qianda.certificate_loading import load_certificate

# The name of the configured seal, and the text below the star in its picture.
CONFIGURED_NAME = "合同专用章"


async def choose_contract_seal(services: Services, tx: Transaction, contract: Contract) -> Seal:
    """Return the seal granted to contracts of this campus and template, else the configured seal.

    The transaction's scope must be all campuses.
    """
    found = await tx.seals.get_contract_seals(contract.campus)
    grant = choose_contract_grant(found.candidates, contract.template, tx.now)
    seal = found.configured if grant is None else found.seals[grant.seal]
    if seal is None or seal.key_place is KeyPlace.CONFIGURED:
        return await _as_configured(services, tx, seal)
    return seal


async def get_configured_seal(services: Services, tx: Transaction) -> Seal:
    """Return the configured seal. Its row is added on first use, and updated when the configured certificate changes.

    Raises SealNotFound before there is a school.
    """
    return await _as_configured(services, tx, await tx.seals.get_configured())


async def _as_configured(services: Services, tx: Transaction, known: Seal | None) -> Seal:
    chain = services.sealing.seal.chain
    if known is None:
        return await _add_configured_seal(services, tx)
    if known.chain == chain:
        return known
    before, label = await tx.seals.lock(known.id), services.sealing.seal.key.label
    renewed = replace(before, chain=chain, ends_at=end_of_certificate(chain[0]), key_label=label)
    await tx.seals.save(renewed)
    return renewed


async def _add_configured_seal(services: Services, tx: Transaction) -> Seal:
    headquarters, school = await tx.school.find_headquarters(), services.documents.school
    if headquarters is None:
        raise SealNotFound
    seal = Seal(
        id=uuid4(),
        name=CONFIGURED_NAME,
        kind=SealKind.CONTRACT,
        campus=headquarters.id,
        registered_name=school.name,
        registered_code=school.credit_code,
        inscription=CONFIGURED_NAME,
        state=SealState.ACTIVE,
        created_at=tx.now,
        changed_at=tx.now,
        key_place=KeyPlace.CONFIGURED,
        key_label=services.sealing.seal.key.label,
        chain=services.sealing.seal.chain,
        ends_at=end_of_certificate(services.sealing.seal.chain[0]),
    )
    if await tx.seals.add(seal):
        await tx.seals.add_grant(SealGrant(uuid4(), seal.id, CONTRACTS, headquarters.id, (), "hub", tx.now))
        return seal
    known = await tx.seals.get_configured()  # another process has just added it
    assert known is not None
    return known


def end_of_certificate(certificate: bytes) -> datetime:
    """Return when a certificate (DER) expires."""
    return load_certificate(certificate).not_valid_after_utc


def present_chain(sealing: SealingServices, seal: Seal) -> tuple[bytes, ...]:
    """Return a seal's certificate chain (DER, its own first). The configured seal's chain is in the configuration."""
    return sealing.seal.chain if seal.key_place is KeyPlace.CONFIGURED else seal.chain


async def open_seal_key(sealing: SealingServices, seal: Seal) -> SealKey:
    """Return a seal's key, certificates and picture, without checking whether the seal may be used.

    Raises TokenUnavailable, and CertificateNotValid if the key on the token is not the key of the seal's certificate.
    """
    if seal.key_place is KeyPlace.CONFIGURED:
        return sealing.seal
    key = await sealing.token.key(seal.key_label)
    if not seal.chain or certified_key(seal.chain[0]) != key.spki:
        raise CertificateNotValid(f"the certificate of the seal is not for the key {seal.key_label!r}")
    return SealKey(key, seal.chain, seal.registered_name, picture=seal.picture)
