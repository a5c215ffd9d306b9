"""The key in an app on the signer's own device: attested where the platform can, bound to its person, revoked.

It is bound in a visit that knew the code and who the person is, and comes back in later visits with its proof alone.
What was not attested counts as a key in software; that the app called it its own is kept beside it. What authorities
issued to a revoked key is revoked by `revoke`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from hub.attestations import Attested, NotAttested, Statement, Verdict
from hub.errors import KeyOfSomebodyElse, KeyRevoked, NotFound, TooManyDevices
from hub.lifecycle.services import Services
from hub.lifecycle.signing.open_link import Visit, visit
from hub.model.signing.device_key import MAX_DEVICES, MAX_LABEL_LENGTH, AppKey, Attestation
from hub.model.signing.signature_request import Custody, choose_custody
from hub.model.staff.accounts import EVERYTHING, Scope
from hub.store.kernel.jobs import REVOKE
from hub.store.transaction import Transaction

NOT_CONFIGURED = "format-not-accepted"


@dataclass(frozen=True)
class ShownKey:
    """A key, the proof that somebody holds it, and where they say it is."""

    spki: bytes
    proof: bytes
    custody: str


@dataclass(frozen=True)
class Presented:
    """What came beside a key: what the platform says of it, and what the app calls the device. `passkey`: the id of the
    person's passkey that is to confirm what the key signs."""

    statement: Statement | None = None
    label: str = ""
    passkey: bytes | None = None


@dataclass(frozen=True)
class Held:
    """A key whose possession was proved: where it is, and, where it is an app's, as what it is bound. `fresh`: nobody
    knew it before; `judged`: what its statement came to, when there was one to judge."""

    custody: Custody
    key: AppKey | None = None
    fresh: bool = False
    judged: bool = False


async def held(services: Services, visiting: Visit, shown: ShownKey, challenge: bytes, presented: Presented) -> Held:
    """Raises TooManyDevices. The statement has to answer the very challenge that the proof of possession answered."""
    if shown.custody != Custody.APP_KEYSTORE:
        return Held(choose_custody(shown.custody))
    async with services.database.transaction(EVERYTHING) as tx:
        known = await tx.app_keys.of(shown.spki)
        if visiting.session.pairing is not None:
            # A program that a page let in signs there, and makes no device of the person's.
            return Held(known.custody if known else Custody.SOFTWARE)
        if known is None and await tx.app_keys.live(visiting.signer.person) >= MAX_DEVICES:
            raise TooManyDevices
        now = tx.now
    statement = presented.statement
    if known is not None and (statement is None or known.attestation is Attestation.VERIFIED):
        return Held(known.custody, known)
    verdict = await _verdict(services, statement, shown.spki, challenge) if statement else None
    key = known or AppKey(
        uuid4(),
        shown.spki,
        visiting.signer.person,
        visiting.contract.id,
        visiting.signer.id,
        presented.label[:MAX_LABEL_LENGTH],
        Attestation.NONE,
        now,
        used_at=now,
    )
    if statement is not None and verdict is not None:
        key = _judged(key, statement, challenge, verdict)
    return Held(key.custody, key, fresh=known is None, judged=verdict is not None)


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
    """Raises KeyOfSomebodyElse, KeyRevoked; whatever the key is said to be this time."""
    if (refusal := await owner_refusal(tx, spki, person)) is not None:
        raise refusal


async def owner_refusal(tx: Transaction, spki: bytes, person: str) -> KeyOfSomebodyElse | KeyRevoked | None:
    """Lock the key if it is a known one. Return why this person may not sign with it, or None."""
    known = await tx.app_keys.of(spki, hold=True)
    if known is not None and known.person != person:
        return KeyOfSomebodyElse()
    if known is not None and known.revoked_at is not None:
        return KeyRevoked()
    return None


async def bind(tx: Transaction, visiting: Visit, holding: Held) -> None:
    """In the transaction that gives the key its certificate. Raises as `check_owner` does: somebody else may have
    bound it, or its person have revoked it, while the certificate was made."""
    key = holding.key
    if key is None:
        return
    added = holding.fresh and await tx.app_keys.add(key)
    if not added:
        await check_owner(tx, key.spki, visiting.signer.person)
        await tx.app_keys.used(key.id, tx.now)
        if not holding.judged:
            return
        await tx.app_keys.attested(key)
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


async def devices(services: Services, secret: str) -> tuple[list[AppKey], bytes | None]:
    """Those of the person who is here, the newest first; and the key that this session signs with."""
    async with services.database.transaction(EVERYTHING) as tx:
        visiting = await visit(tx, secret)
        return await tx.app_keys.of_person(visiting.signer.person), visiting.session.key_spki


async def revoke(services: Services, secret: str, device: UUID) -> None:
    """By the person themselves, from any device of theirs. Once more is no error. Raises NotFound."""
    async with services.database.transaction(EVERYTHING) as tx:
        visiting = await visit(tx, secret)
        key = await tx.app_keys.get(device, lock=True)
        if key is None or key.person != visiting.signer.person:
            raise NotFound("there is no such device")
        await _revoke(tx, key, (visiting.contract.id, visiting.contract.campus), visiting.actor, "by-its-person")


async def revoke_for(services: Services, scope: Scope, contract_id: UUID, device: UUID, actor: str) -> None:
    """By staff, for a signer of a contract that they see. Raises NotFound, ContractNotFound."""
    async with services.database.transaction(scope) as tx:
        contract = await tx.contracts.get(contract_id)
        persons = {signer.person for signer in await tx.contracts.signers(contract_id)}
    async with services.database.transaction(EVERYTHING) as tx:  # the sessions that it ends may be about other campuses
        key = await tx.app_keys.get(device, lock=True)
        if key is None or key.person not in persons:
            raise NotFound("there is no such device")
        await _revoke(tx, key, (contract.id, contract.campus), actor, "by-staff")


async def revoke_all(tx: Transaction, person: str, actor: str, reason: str) -> list[AppKey]:
    """Every device of a person: whoever has the old phone may have the app on it. `note_revoked` is left to do, for
    those that it returns: devices come before people, and records after them."""
    live = [key for key in await tx.app_keys.of_person(person) if key.revoked_at is None]
    live.sort(key=lambda each: each.id)
    return [key for key in live if await tx.app_keys.revoke(key, tx.now, actor, reason)]


async def _revoke(tx: Transaction, key: AppKey, contract: tuple[UUID, str], actor: str, reason: str) -> None:
    if await tx.app_keys.revoke(key, tx.now, actor, reason):
        await note_revoked(tx, key, contract, actor, reason)


async def note_revoked(tx: Transaction, key: AppKey, contract: tuple[UUID, str], actor: str, reason: str) -> None:
    """In the record; and its certificates are next."""
    facts = {"device": str(key.id), "spki_sha256": hashlib.sha256(key.spki).hexdigest(), "reason": reason}
    await tx.record.append(*contract, "app-key-revoked", actor, facts)
    await tx.jobs.enqueue(REVOKE, {"key": str(key.id)}, f"revoke-{key.id}")


__all__ = [
    "Held",
    "Presented",
    "ShownKey",
    "bind",
    "check_owner",
    "devices",
    "held",
    "note_revoked",
    "owner_refusal",
    "revoke",
    "revoke_all",
    "revoke_for",
]
