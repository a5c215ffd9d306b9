"""Confirm a signature request with a passkey, and register passkeys: one for each device, in a verified session.

Passkeys are optional.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import NotFound, WrongConfirmation
from hub.lifecycle.services import Services
from hub.lifecycle.signing.audit_refusals import append_refusal
from hub.lifecycle.signing.entry.open_link import Visit, begin_visit
from hub.model.signing.passkey import MAX_PASSKEYS, Passkey, derive_passkey_challenge, derive_user_handle
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction
from qianda.confirmation import check_confirmation, packed
from qianda.passkey import Assertion, WrongPasskey, read_registration, relying_party


@dataclass(frozen=True)
class PasskeyOptions:
    """The data that a page needs to register a passkey for this person, or to ask for one that they registered."""

    rp_id: str
    user: bytes
    challenge: bytes
    passkeys: tuple[Passkey, ...]


@dataclass(frozen=True)
class PasskeyAnswer:
    """An assertion (WebAuthn), with the id of the passkey that, according to the page, made it."""

    credential_id: bytes
    assertion: Assertion


@dataclass(frozen=True)
class Confirmation:
    """A valid confirmation in the form that is embedded in the file (`packed`), and the id of its passkey."""

    packed: bytes
    passkey: UUID

    @property
    def facts(self) -> dict[str, str]:
        return {"passkey": str(self.passkey), "assertion_sha256": hashlib.sha256(self.packed).hexdigest()}


async def list_passkeys(services: Services, secret: str, contract_id: UUID | None) -> PasskeyOptions:
    """Return the person's passkeys and a challenge. Raises NotFound if the hub's address does not allow passkeys."""
    rp_id = _rp_id(services)
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        person = visiting.signer.person
        passkeys = await tx.passkeys.list_of_person(person, rp_id)
        challenge = await _challenge(services, tx, visiting)
    return PasskeyOptions(rp_id, derive_user_handle(services.signing.keys.code, person), challenge, tuple(passkeys))


async def find_passkey(services: Services, visiting: Visit, credential_id: bytes) -> Passkey:
    """Return this person's passkey. Raises WrongConfirmation if it is unknown or belongs to another person."""
    rp_id = relying_party(services.origin)
    async with services.database.transaction(EVERYTHING) as tx:
        passkeys = await tx.passkeys.list_of_person(visiting.signer.person, rp_id) if rp_id else []
    for passkey in passkeys:
        if passkey.credential_id == credential_id:
            return passkey
    raise WrongConfirmation("this passkey does not belong to this person")


async def register(
    services: Services, secret: str, contract_id: UUID | None, authenticator_data: bytes, client_data: bytes
) -> Passkey:
    """Register a new passkey for the person of a verified session. The challenge can be used once.

    Raises WrongConfirmation, also for a passkey that is already registered.
    """
    rp_id = _rp_id(services)
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        person = visiting.signer.person
        await tx.sessions.lock_persons(person)
        challenge = await _challenge(services, tx, visiting)
        try:
            made = read_registration(authenticator_data, client_data, challenge, services.origin)
        except WrongPasskey as wrong:
            raise WrongConfirmation(str(wrong)) from wrong
        passkey = Passkey(
            id=uuid4(),
            person=person,
            rp_id=rp_id,
            credential_id=made.credential_id,
            public_key=made.public_key,
            counter=made.counter,
            synced=made.synced,
            created_at=tx.now,
        )
        if not await tx.passkeys.add(passkey):
            raise WrongConfirmation("this passkey is already registered")
        for surplus in (await tx.passkeys.list_of_person(person, rp_id))[MAX_PASSKEYS:]:
            await tx.passkeys.end(surplus.id, tx.now)
        await _note_registered(tx, visiting, passkey)
    return passkey


async def check_answer(
    services: Services, tx: Transaction, visiting: Visit, request: SignatureRequest, given: PasskeyAnswer | None
) -> Confirmation | None:
    """Check the passkey's answer that came with a signature, in the same transaction. Return None if none came.

    Raises WrongConfirmation.
    """
    if given is None:
        return None
    rp_id = relying_party(services.origin)
    passkey = await tx.passkeys.lock(given.credential_id, visiting.signer.person, rp_id) if rp_id else None
    if passkey is None:
        raise WrongConfirmation("this passkey does not belong to this person")
    value = packed(passkey.public_key, given.assertion)
    try:
        answer = check_confirmation(value, request.to_be_signed, request.chain[0]).confirmed
    except WrongPasskey as wrong:
        raise WrongConfirmation(str(wrong)) from wrong
    if answer.origin != services.origin:
        raise WrongConfirmation("it was given at another origin")
    if not passkey.follows(answer.counter):
        raise WrongConfirmation("the passkey's counter decreased: it may have been copied")
    await tx.passkeys.note_used(passkey.id, answer.counter, tx.now)
    return Confirmation(value, passkey.id)


async def note_wrong(services: Services, request: SignatureRequest, actor: str, wrong: WrongConfirmation) -> None:
    """Append a refused confirmation to the record. Nothing else changes."""
    async with services.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get(request.contract)
        facts = {"request": str(request.id), "reason": str(wrong)}
        await append_refusal(tx, (contract.id, contract.campus), "confirmation-refused", actor, facts)


def _rp_id(services: Services) -> str:
    rp_id = relying_party(services.origin)
    if rp_id is None:
        raise NotFound("there are no passkeys at this address")
    return rp_id


async def _challenge(services: Services, tx: Transaction, visiting: Visit) -> bytes:
    return derive_passkey_challenge(
        services.signing.keys.code, visiting.session.id, await tx.passkeys.count_made(visiting.signer.person)
    )


async def _note_registered(tx: Transaction, visiting: Visit, passkey: Passkey) -> None:
    contract = visiting.contract
    facts = {
        "passkey": str(passkey.id),
        "rp_id": passkey.rp_id,
        "synced": passkey.synced,
        "public_key_sha256": hashlib.sha256(passkey.public_key).hexdigest(),
        "credential_sha256": hashlib.sha256(passkey.credential_id).hexdigest(),
    }
    await tx.record.append(contract.id, contract.campus, "passkey-registered", visiting.actor, facts)
