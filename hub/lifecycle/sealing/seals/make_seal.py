"""Make an approved seal, that is, a key on the token and a certificate for it; renew the certificate.

Each seal's key has its own label, so a step that is repeated after a crash finds the same key. The old certificate is
used until the new one is written. Requests that were prepared with the old certificate are then prepared again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from hub.authorities.request import accept_certificate, certificate_request, read_certificate_files
from hub.errors import BadInput, SealMoveNotAllowed
from hub.lifecycle.sealing.seals.contract_seal import end_of_certificate
from hub.lifecycle.sealing.seals.manage_seals import record_seal_act
from hub.lifecycle.services import Services
from hub.model.sealing.seal import KeyPlace, Seal, SealAct, SealState
from hub.model.staff.scope import Actor
from hub.store.signing.issued_certificates import IssuedCertificate
from hub.store.transaction import Transaction
from qianda.certificate_loading import load_certificate

# Pairs of file name and content, which is PEM or DER.
CertificateFiles = Sequence[tuple[str, bytes]]
_MADE = (SealState.MADE, SealState.ACTIVE, SealState.SUSPENDED)
_HAS_KEY = (SealState.APPROVED, *_MADE)


def label_of(seal: Seal) -> str:
    """Return the label of the seal's key on the token."""
    return seal.key_label or f"seal-{seal.id.hex[:16]}"


async def request_seal_certificate(services: Services, keeper: Actor, seal_id: UUID) -> bytes:
    """Return a PKCS#10 request (PEM) for the seal's key, which is generated if it does not exist.

    Raises SealNotFound, SealMoveNotAllowed, TokenUnavailable.
    """
    async with services.database.transaction(keeper.scope) as tx:
        seal = _checked_state(await tx.seals.get(seal_id), _HAS_KEY)
    key = await services.sealing.token.generate_key(label_of(seal))
    return await certificate_request(key, seal.registered_name, seal.registered_code)


async def make_seal(services: Services, keeper: Actor, seal_id: UUID, files: CertificateFiles = ()) -> Seal:
    """Make an approved seal. `files`: a certificate for its key with the chain above it; empty to have the built-in
    authority issue one.

    Raises SealNotFound, SealMoveNotAllowed, TokenUnavailable, and what `accept_certificate` raises.
    """
    chain = await _certify(services, keeper, seal_id, (SealState.APPROVED,), files)
    async with services.database.transaction(keeper.scope) as tx:
        made = _with_chain((await tx.seals.lock(seal_id)).move(SealAct.MAKE, tx.now), chain)
        await _save(services, tx, made, "seal-made", keeper.name)
    return made


async def renew_seal(services: Services, keeper: Actor, seal_id: UUID, files: CertificateFiles = ()) -> Seal:
    """Give a seal that was already made a new certificate for the same key. Raises as `make_seal` does."""
    chain = await _certify(services, keeper, seal_id, _MADE, files)
    async with services.database.transaction(keeper.scope) as tx:
        renewed = _with_chain(_checked_state(await tx.seals.lock(seal_id), _MADE), chain)
        await _save(services, tx, renewed, "seal-renewed", keeper.name)
    return renewed


async def _certify(
    services: Services, keeper: Actor, seal_id: UUID, states: Sequence[SealState], files: CertificateFiles
) -> tuple[bytes, ...]:
    """Return a certificate chain for the key of a seal, which must be in one of these states."""
    async with services.database.transaction(keeper.scope) as tx:
        seal = _checked_state(await tx.seals.get(seal_id), states)
    key, authority = await services.sealing.token.generate_key(label_of(seal)), services.sealing.authority
    if files:
        chain = await accept_certificate(read_certificate_files(files), key.spki, authority.root, services.clock())
    elif seal.chain and seal.chain[-1] != authority.root:
        raise BadInput("an outside authority issued its certificate: bring the new one with its chain", field="seal")
    else:
        chain = (await authority.enrol_seal(key.spki, seal.registered_name)).chain
    services.sealing.trust_seal(chain)
    return chain


def _checked_state(seal: Seal, states: Sequence[SealState]) -> Seal:
    """Return the seal. Raises SealMoveNotAllowed if it is in another state, or is the configured seal."""
    if seal.state not in states or seal.key_place is KeyPlace.CONFIGURED:
        raise SealMoveNotAllowed(seal.state.value)
    return seal


def _with_chain(seal: Seal, chain: tuple[bytes, ...]) -> Seal:
    return replace(seal, key_label=label_of(seal), chain=chain, ends_at=end_of_certificate(chain[0]))


async def _save(services: Services, tx: Transaction, seal: Seal, kind: str, actor: str) -> None:
    await tx.seals.save(seal)
    certificate = load_certificate(seal.chain[0])
    if seal.chain[-1] == services.sealing.authority.root:  # so that the built-in authority can revoke it
        life = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        name, serial = services.sealing.authority_name, certificate.serial_number
        await tx.certificates.add(IssuedCertificate(name, serial, seal.chain[0], *life))
    facts = {"certificate_sha256": hashlib.sha256(seal.chain[0]).hexdigest(), "key": seal.key_label}
    await record_seal_act(tx, seal, kind, actor, facts)
