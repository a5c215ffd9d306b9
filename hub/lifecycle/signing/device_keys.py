"""Bind the key in an app on the signer's own device to its person, and revoke it.

The platform attests the key if it can. The key is bound in a session that was verified by one-time code and identity
check; later sessions present it with a proof of possession alone. Without a verified attestation it counts as a
software key, and the app's claim of custody is stored as a mere claim. `revoke_certificates` revokes the certificates
of a revoked key.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from hub.attestations import Attested, NotAttested, Statement, Verdict
from hub.errors import KeyOfSomebodyElse, KeyRevoked, NotFound, TooManyDevices
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import Visit, begin_visit
from hub.model.signing.device_key import MAX_DEVICES, MAX_LABEL_LENGTH, AppKey, Attestation
from hub.model.signing.signature_request import Custody, choose_custody
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.operation.jobs import REVOKE
from hub.store.transaction import Transaction

NOT_CONFIGURED = "format-not-accepted"


@dataclass(frozen=True)
class ShownKey:
    """A public key (DER), the proof of possession, and the claimed custody."""

    spki: bytes
    proof: bytes
    custody: str


@dataclass(frozen=True)
class KeyEvidence:
    """What an app presents together with a key: the platform's attestation statement and a name for the device.

    `passkey`: the id of the person's passkey that will confirm what the key signs.
    """

    statement: Statement | None = None
    label: str = ""
    passkey: bytes | None = None


@dataclass(frozen=True)
class HeldKey:
    """A key whose possession was proved, and its custody. `key`: the app key; None for a key of another kind.

    `fresh`: the app key was not known before. `judged`: it came with an attestation statement, which was checked.
    """

    custody: Custody
    key: AppKey | None = None
    fresh: bool = False
    judged: bool = False


async def judge_key(
    services: Services, visiting: Visit, shown: ShownKey, challenge: bytes, presented: KeyEvidence
) -> HeldKey:
    """Return the custody of a key and, for an app's key, the app key to bind. Writes nothing.

    An attestation statement has to answer the same `challenge` as the proof of possession. Raises TooManyDevices.
    """
    if shown.custody != Custody.APP_KEYSTORE:
        return HeldKey(choose_custody(shown.custody))
    async with services.database.transaction(EVERYTHING) as tx:
        known = await tx.app_keys.find_by_public_key(shown.spki)
        if visiting.session.pairing is not None:
            # A paired program signs for one contract only: its key does not become one of the person's devices.
            return HeldKey(known.custody if known else Custody.SOFTWARE)
        if known is None and await tx.app_keys.count_live(visiting.signer.person) >= MAX_DEVICES:
            raise TooManyDevices
        now = tx.now
    statement = presented.statement
    if known is not None and (statement is None or known.attestation is Attestation.VERIFIED):
        return HeldKey(known.custody, known)
    verdict = await _verdict(services, statement, shown.spki, challenge) if statement else None
    whose, label = (
        (visiting.signer.person, visiting.contract.id, visiting.signer.id),
        presented.label[:MAX_LABEL_LENGTH],
    )
    key = known or AppKey(uuid4(), shown.spki, *whose, label, Attestation.NONE, now, used_at=now)
    if statement is not None and verdict is not None:
        key = _judged(key, statement, challenge, verdict)
    return HeldKey(key.custody, key, fresh=known is None, judged=verdict is not None)


async def _verdict(services: Services, statement: Statement, spki: bytes, challenge: bytes) -> Verdict:
    attestor = services.signing.attestors.get(statement.format)
    if attestor is None:
        return NotAttested((NOT_CONFIGURED,))
    return await attestor.check(statement, spki, challenge)


def _judged(key: AppKey, statement: Statement, challenge: bytes, verdict: Verdict) -> AppKey:
    kept = replace(key, evidence=statement.evidence, challenge=challenge)
    if isinstance(verdict, Attested):
        return replace(
            kept,
            attestation=Attestation.VERIFIED,
            platform=verdict.platform,
            app=verdict.app,
            reasons=(),
            level=verdict.level.value,
        )
    return replace(kept, attestation=Attestation.REFUSED, reasons=verdict.reasons)


async def check_owner(tx: Transaction, spki: bytes, person: str) -> None:
    """Lock the key if it is known. Raise KeyOfSomebodyElse or KeyRevoked if this person may not sign with it. The
    claimed custody does not matter."""
    known = await tx.app_keys.find_by_public_key(spki, hold=True)
    if known is not None and known.person != person:
        raise KeyOfSomebodyElse
    if known is not None and known.revoked_at is not None:
        raise KeyRevoked


async def bind_key(tx: Transaction, visiting: Visit, holding: HeldKey) -> None:
    """Bind an app's key to its person, in the transaction that gives the key its certificate.

    Raises KeyOfSomebodyElse or KeyRevoked: while the certificate was being issued, another person may have bound the
    key, or its person may have revoked it.
    """
    key = holding.key
    if key is None:
        return
    added = holding.fresh and await tx.app_keys.add(key)
    if not added:
        await check_owner(tx, key.spki, visiting.signer.person)
        await tx.app_keys.note_used(key.id, tx.now)
        if not holding.judged:
            return
        await tx.app_keys.store_attestation(key)
    contract = visiting.contract
    kind = "app-key-bound" if added else "app-key-attested"
    await tx.record.append(contract.id, contract.campus, kind, visiting.actor, _facts(key))


def _facts(key: AppKey) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "device": str(key.id),
        "spki_sha256": hashlib.sha256(key.spki).hexdigest(),
        "attestation": key.attestation.value,
    }
    if key.attestation is Attestation.VERIFIED:
        facts |= {"platform": key.platform, "app": key.app, "level": key.level}
    if key.reasons:
        facts["reasons"] = list(key.reasons)
    if key.evidence is not None:
        facts["evidence_sha256"] = hashlib.sha256(key.evidence).hexdigest()
    return facts


# ---- the devices of a person


async def list_devices(services: Services, secret: str) -> tuple[list[AppKey], bytes | None]:
    """Return the devices of the session's person, newest first, and the public key of this session, or None."""
    async with begin_visit(services.database, secret) as (tx, visiting):
        return await tx.app_keys.list_of_person(visiting.signer.person), visiting.session.key_spki


async def revoke(services: Services, secret: str, device: UUID) -> None:
    """Revoke a device of the session's person; any of their sessions may do it. Do nothing if it is already revoked.

    Raises NotFound.
    """
    async with begin_visit(services.database, secret) as (tx, visiting):
        key = await tx.app_keys.get(device, lock=True)
        if key is None or key.person != visiting.signer.person:
            raise NotFound("there is no such device")
        await _revoke(tx, key, (visiting.contract.id, visiting.contract.campus), visiting.actor, "by-its-person")


async def revoke_for(services: Services, scope: Scope, contract_id: UUID, device: UUID, actor: str) -> None:
    """Revoke a device of a signer on behalf of staff who may see the contract. Raises NotFound, ContractNotFound."""
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.get(contract_id)
        persons = {signer.person for signer in await tx.contracts.list_signers(contract_id)}
    async with services.database.transaction(EVERYTHING) as tx:  # the revocation may end sessions at other campuses
        key = await tx.app_keys.get(device, lock=True)
        if key is None or key.person not in persons:
            raise NotFound("there is no such device")
        await _revoke(tx, key, (contract.id, contract.campus), actor, "by-staff")


async def revoke_all(tx: Transaction, person: str, actor: str, reason: str) -> list[AppKey]:
    """Revoke all devices of a person, because another person may now hold the phone with the app. Return the keys.

    The caller calls `note_revoked` for each returned key later, because the lock order is: device keys, persons,
    records.
    """
    live = [key for key in await tx.app_keys.list_of_person(person) if key.revoked_at is None]
    live.sort(key=lambda each: each.id)
    return [key for key in live if await tx.app_keys.revoke(key, tx.now, actor, reason)]


async def _revoke(tx: Transaction, key: AppKey, contract: tuple[UUID, str], actor: str, reason: str) -> None:
    if await tx.app_keys.revoke(key, tx.now, actor, reason):
        await note_revoked(tx, key, contract, actor, reason)


async def note_revoked(tx: Transaction, key: AppKey, contract: tuple[UUID, str], actor: str, reason: str) -> None:
    """Append the revocation to the record, and enqueue the revocation of the key's certificates."""
    facts = {"device": str(key.id), "spki_sha256": hashlib.sha256(key.spki).hexdigest(), "reason": reason}
    await tx.record.append(*contract, "app-key-revoked", actor, facts)
    await tx.jobs.enqueue(REVOKE, {"key": str(key.id)}, f"revoke-{key.id}")
