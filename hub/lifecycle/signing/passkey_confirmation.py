"""A passkey confirms the very request: made once for each of a person's devices, in a verified visit, and used again.

It is an offer and never a condition. Whoever has none, or does not want it, signs without.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import NotFound, WrongConfirmation
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.open_link import Visit, visit
from hub.model.signing.passkey import MOST_PASSKEYS, Passkey, registration_challenge, user_handle
from hub.model.signing.signature_request import SignatureRequest
from hub.model.staff.accounts import EVERYTHING
from hub.store.unit import Unit
from qianda.confirmation import check_confirmation, packed
from qianda.passkey import Assertion, WrongPasskey, read_registration, relying_party


@dataclass(frozen=True)
class Known:
    """What a page needs to make a passkey for this person, or to ask for one that they have."""

    rp_id: str
    user: bytes
    challenge: bytes
    passkeys: tuple[Passkey, ...]


@dataclass(frozen=True)
class Given:
    """An assertion, with the id of the passkey that is said to have made it."""

    credential_id: bytes
    assertion: Assertion


@dataclass(frozen=True)
class Confirmation:
    """A right one: as it travels in the file, and which passkey gave it."""

    packed: bytes
    passkey: UUID

    @property
    def facts(self) -> dict[str, str]:
        return {"passkey": str(self.passkey), "assertion_sha256": hashlib.sha256(self.packed).hexdigest()}


async def known(parts: Parts, secret: str, contract_id: UUID | None) -> Known:
    """Raises NotFound where the hub's address can have no passkeys."""
    rp_id = _rp_id(parts)
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        person = visiting.signer.person
        passkeys = await unit.passkeys.of(person, rp_id)
        challenge = await _challenge(parts, unit, visiting)
    return Known(rp_id, user_handle(parts.keys.code, person), challenge, tuple(passkeys))


async def find_passkey(parts: Parts, visiting: Visit, credential_id: bytes) -> Passkey:
    """Return this person's passkey. Raises WrongConfirmation where it is nobody's, or somebody else's."""
    rp_id = relying_party(parts.origin)
    async with parts.database.unit(EVERYTHING) as unit:
        passkeys = await unit.passkeys.of(visiting.signer.person, rp_id) if rp_id else []
    for passkey in passkeys:
        if passkey.credential_id == credential_id:
            return passkey
    raise WrongConfirmation("this passkey is not one of this person's")


async def register(
    parts: Parts, secret: str, contract_id: UUID | None, authenticator_data: bytes, client_data: bytes
) -> Passkey:
    """A fresh passkey of the person whose code and identity were checked in this visit. The challenge serves once.

    Raises WrongConfirmation, also for a passkey that is known already.
    """
    rp_id = _rp_id(parts)
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        person = visiting.signer.person
        await unit.sessions.one_at_a_time(person)
        challenge = await _challenge(parts, unit, visiting)
        try:
            made = read_registration(authenticator_data, client_data, challenge, parts.origin)
        except WrongPasskey as wrong:
            raise WrongConfirmation(str(wrong)) from wrong
        passkey = Passkey(
            id=uuid4(), person=person, rp_id=rp_id, credential_id=made.credential_id, public_key=made.public_key,
            counter=made.counter, synced=made.synced, created_at=unit.now,
        )  # fmt: skip
        if not await unit.passkeys.add(passkey):
            raise WrongConfirmation("this passkey is known already")
        for surplus in (await unit.passkeys.of(person, rp_id))[MOST_PASSKEYS:]:
            await unit.passkeys.end(surplus.id, unit.now)
        await _note_registered(unit, visiting, passkey)
    return passkey


async def confirmed(
    parts: Parts, unit: Unit, visiting: Visit, request: SignatureRequest, given: Given | None
) -> Confirmation | None:
    """Check what came with the signature, in its transaction. Raises WrongConfirmation."""
    if given is None:
        return None
    rp_id = relying_party(parts.origin)
    passkey = await unit.passkeys.locked(given.credential_id, visiting.signer.person, rp_id) if rp_id else None
    if passkey is None:
        raise WrongConfirmation("this passkey is not one of this person's")
    value = packed(passkey.public_key, given.assertion)
    try:
        answer = check_confirmation(value, request.to_be_signed, request.chain[0]).confirmed
    except WrongPasskey as wrong:
        raise WrongConfirmation(str(wrong)) from wrong
    if answer.origin != parts.origin:
        raise WrongConfirmation("it was given at another origin")
    if not passkey.follows(answer.counter):
        raise WrongConfirmation("the passkey's counter went back: it may have been copied")
    await unit.passkeys.used(passkey.id, answer.counter, unit.now)
    return Confirmation(value, passkey.id)


async def note_wrong(parts: Parts, request: SignatureRequest, actor: str, wrong: WrongConfirmation) -> None:
    """Nothing was changed by it; that it was tried stands in the record."""
    async with parts.database.unit(EVERYTHING) as unit:
        contract = await unit.contracts.get(request.contract)
        facts = {"request": str(request.id), "reason": str(wrong)}
        await unit.record.append(contract.id, contract.campus, "confirmation-refused", actor, facts)


def _rp_id(parts: Parts) -> str:
    rp_id = relying_party(parts.origin)
    if rp_id is None:
        raise NotFound("there are no passkeys at this address")
    return rp_id


async def _challenge(parts: Parts, unit: Unit, visiting: Visit) -> bytes:
    return registration_challenge(
        parts.keys.code, visiting.session.id, await unit.passkeys.made(visiting.signer.person)
    )


async def _note_registered(unit: Unit, visiting: Visit, passkey: Passkey) -> None:
    contract = visiting.contract
    await unit.record.append(contract.id, contract.campus, "passkey-registered", visiting.actor, {
        "passkey": str(passkey.id), "rp_id": passkey.rp_id, "synced": passkey.synced,
        "public_key_sha256": hashlib.sha256(passkey.public_key).hexdigest(),
        "credential_sha256": hashlib.sha256(passkey.credential_id).hexdigest(),
    })  # fmt: skip
