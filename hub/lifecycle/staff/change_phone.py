"""A person has another phone number: two approve it, and then it changes for all of their contracts at once.

Whoever asks is the first to approve: staff, a program of the school (by its API key), or the person in a verified
session, which came about by the old phone's one-time code. The second one has to be somebody else.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from hub.errors import BadInput, IdentityNotChecked, IllegalMove, NotFound, PhoneChangeWaiting
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.open_link import visit
from hub.lifecycle.staff.move_phone import move_phone
from hub.lifecycle.staff.notice_sharing import is_shared, notice_sharing
from hub.model.contract.contract import Contract
from hub.model.contract.person import phone_number
from hub.model.contract.signer import Signer
from hub.model.evidence.record import commitment
from hub.model.staff.accounts import EVERYTHING, Scope, StaffTask
from hub.model.staff.phone_change import OLD_PHONE, PHONE_CHANGE, PhoneChange, PhoneChangeState
from hub.store.unit import Unit

LONGEST_REASON = 500
Also = Callable[[Unit, PhoneChange], Awaitable[None]]


@dataclass(frozen=True)
class Waiting:
    """A change that waits, with what its second approver has to know. `shared`: several others who are not all of
    one family have the new number."""

    change: PhoneChange
    contract: Contract
    signer: Signer
    shared: bool


async def ask(
    parts: Parts, scope: Scope, contract_id: UUID, signer_id: UUID, phone: str, reason: str, actor: str,
    also: Also | None = None,
) -> PhoneChange:  # fmt: skip
    """The school asks; that is the first approval. `also` runs in the same transaction.

    Raises BadInput for what is no mobile number, or the one on file; IllegalMove when the contract has ended;
    PhoneChangeWaiting when this person has an open one already.
    """
    number, why = phone_number(phone, field="phone"), reason.strip()
    if not why or len(why) > LONGEST_REASON:
        raise BadInput(f"a reason of up to {LONGEST_REASON} characters is needed", field="reason")
    async with parts.database.unit(scope) as unit:  # who may see this contract may ask; the person is known elsewhere
        await unit.contracts.get(contract_id)
        if signer_id not in {each.id for each in await unit.contracts.signers(contract_id)}:
            raise BadInput("this contract has no such signer", field="signer")
    async with parts.database.unit(EVERYTHING) as unit:
        change = await _begin(unit, signer_id, number, why, actor, actor)
        if also:
            await also(unit, change)
    return change


async def ask_with_old_phone(parts: Parts, secret: str, contract_id: UUID | None, phone: str) -> PhoneChange:
    """The person in their verified session: the first approval of a new wish, or the second of one that waits for the
    same number, which changes it and ends this very session. Again: the same answer, nothing changes.

    Raises SessionNotValid, NotVerified; IdentityNotChecked for whoever only said who they are; PhoneChangeWaiting when
    one waits for another number, or is about another phone than that of this session; and as `ask` does.
    """
    number = phone_number(phone, field="phone")
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        signer = visiting.signer
        if not await unit.sessions.identity_matched(visiting.session.id, visiting.contract.id):
            raise IdentityNotChecked
        change = await unit.phone_changes.open_of(signer.person, lock=True)
        if change is None or not change.open(unit.now):
            return await _begin(unit, signer.id, number, "asked by the signer", visiting.actor, OLD_PHONE)
        mine = unit.cipher.found_by("phone", signer.phone)
        if change.phone != number or not hmac.compare_digest(change.old_hash, mine):
            raise PhoneChangeWaiting
        await visit(unit, secret, contract_id)  # still so, now that nobody else settles the same wish
        if OLD_PHONE in change.approvals:
            return change
        return await _approve(parts, unit, change, OLD_PHONE, visiting.actor)


async def approve(parts: Parts, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """The second approval, by staff; the phone changes in this transaction. Raises NotFound, PhoneChangeEnded, and
    OwnApproval for whoever was the first."""
    async with parts.database.unit(EVERYTHING) as unit:
        return await _approve(parts, unit, await _waiting(unit, scope, change_id), actor, actor)


async def turn_down(parts: Parts, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """Whoever asked takes it back, or somebody else rejects it. Raises NotFound, PhoneChangeEnded."""
    async with parts.database.unit(EVERYTHING) as unit:
        change = (await _waiting(unit, scope, change_id)).turned_down(actor, unit.now)
        await _settle(unit, change, actor)
        await _note(unit, change, "phone-change-turned-down", actor, {"state": change.state.value})
    return change


async def waiting(parts: Parts, scope: Scope) -> list[Waiting]:
    """All that wait for an approval within the scope, oldest first."""
    async with parts.database.unit(scope) as unit:
        changes = await unit.phone_changes.waiting(unit.now)
        found = [
            (each, await unit.contracts.get(each.contract), await unit.contracts.signer(each.signer))
            for each in changes
        ]
    async with parts.database.unit(EVERYTHING) as unit:
        return [Waiting(*each, await is_shared(unit, each[0])) for each in found]


# ---- steps


async def _begin(unit: Unit, signer_id: UUID, phone: str, reason: str, actor: str, approval: str) -> PhoneChange:
    await unit.sessions.one_at_a_time((await unit.contracts.signer(signer_id)).person)
    signer = await unit.contracts.signer(signer_id)
    contract = await unit.contracts.get(signer.contract)
    if contract.state.final:
        raise IllegalMove(f"nobody is written to about a contract in this state:\n{contract.state}")
    if signer.phone == phone:
        raise BadInput("this is the number on file already", field="phone")
    await unit.phone_changes.expire(unit.now)
    if await unit.phone_changes.open_of(signer.person):
        raise PhoneChangeWaiting
    change = PhoneChange(
        id=uuid4(), contract=contract.id, signer=signer.id, campus=contract.campus, person=signer.person,
        old_hash=unit.cipher.found_by("phone", signer.phone), phone=phone, reason=reason,
        state=PhoneChangeState.OPEN, asked_by=actor, asked_at=unit.now,
        approvals={approval: unit.now.isoformat(timespec="seconds")},
    )  # fmt: skip
    await unit.phone_changes.add(change)
    salt = await unit.contracts.salt(signer.id)
    facts = {"approval": approval, "reason": reason} | ({"after": commitment(salt, phone)} if salt else {})
    await _note(unit, change, "phone-change-asked", actor, facts)
    text = "This signer is to have another phone number. It waits for the approval of a second person."
    waits = StaffTask(uuid4(), PHONE_CHANGE, text, change.campus, unit.now, change.contract, change.signer)
    await unit.desk.add_task(waits)
    await notice_sharing(unit, change)
    return change


async def _waiting(unit: Unit, scope: Scope, change_id: UUID) -> PhoneChange:
    change = await unit.phone_changes.get(change_id, lock=True)
    if change is None or not scope.covers(change.campus):
        raise NotFound("there is no such change of a phone number")
    return change


async def _approve(parts: Parts, unit: Unit, change: PhoneChange, approval: str, actor: str) -> PhoneChange:
    approved = change.approved(approval, unit.now)
    await move_phone(parts, unit, approved, actor)
    await _settle(unit, approved, actor)
    await notice_sharing(unit, approved)
    return approved


async def _settle(unit: Unit, change: PhoneChange, actor: str) -> None:
    await unit.phone_changes.decided(change)
    await unit.desk.finish_tasks_of(change.signer, PHONE_CHANGE, actor, unit.now)


async def _note(unit: Unit, change: PhoneChange, kind: str, actor: str, facts: dict[str, str]) -> None:
    about = {"signer": str(change.signer), "change": str(change.id)}
    await unit.record.append(change.contract, change.campus, kind, actor, about | facts)


__all__ = ["Waiting", "approve", "ask", "ask_with_old_phone", "turn_down", "waiting"]
