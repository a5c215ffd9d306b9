"""Change a person's phone number, in all their contracts at once, after two approvals.

The request is the first approval. It comes from staff, from another system of the school (API key), or from the person
in a session that was verified by a code to the old phone. The second approval has to come from somebody else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from hub.errors import (
    BadInput,
    IdentityNotChecked,
    IllegalMove,
    NotFound,
    OwnApproval,
    PhoneChangeEnded,
    PhoneChangeWaiting,
)
from hub.lifecycle.evidence.school_acts import find_key_maker
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import begin_visit, visit
from hub.lifecycle.staff.move_phone import move_phone
from hub.lifecycle.staff.notice_sharing import is_shared, notice_sharing
from hub.lifecycle.staff.reveal_contact import note_phone_change_look
from hub.model.contract.contract import Contract
from hub.model.contract.person import normalise_phone
from hub.model.contract.signer import Signer
from hub.model.evidence.record import compute_commitment
from hub.model.staff.accounts import StaffTask
from hub.model.staff.phone_change import OLD_PHONE, PHONE_CHANGE, PhoneChange, PhoneChangeState
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Transaction

MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class WaitingPhoneChange:
    """A change that waits for approval, with the facts that the second approver needs. `shared`: several other people
    who are not one family use the new number."""

    change: PhoneChange
    contract: Contract
    signer: Signer
    shared: bool


@dataclass(frozen=True)
class PhoneRequest:
    """A request: the signer of a contract, the new number, the reason."""

    contract: UUID
    signer: UUID
    phone: str
    reason: str


async def ask(services: Services, scope: Scope, asked: PhoneRequest, actor: str) -> PhoneChange:
    """Request a change for the school. Raises as `check_phone_request` and `begin_phone_change` do."""
    wanted = await check_phone_request(services, scope, asked)
    async with services.database.transaction(EVERYTHING) as tx:
        return await begin_phone_change(tx, wanted, actor)


async def check_phone_request(services: Services, scope: Scope, asked: PhoneRequest) -> PhoneRequest:
    """Return the normalised request. Raises ContractNotFound; BadInput for the number, the reason or the signer."""
    wanted = replace(asked, phone=normalise_phone(asked.phone, field="phone"), reason=asked.reason.strip())
    if not wanted.reason or len(wanted.reason) > MAX_REASON_LENGTH:
        raise BadInput(f"a reason of up to {MAX_REASON_LENGTH} characters is needed", field="reason")
    # Staff who see this contract may request the change, although the person may have contracts at other campuses.
    async with services.database.transaction(scope) as tx:
        await tx.contracts.get(wanted.contract)
        if wanted.signer not in {each.id for each in await tx.contracts.list_signers(wanted.contract)}:
            raise BadInput("the contract has no such signer", field="signer")
    return wanted


async def begin_phone_change(
    tx: Transaction, wanted: PhoneRequest, actor: str, approval: str | None = None
) -> PhoneChange:
    """Create a checked change with its first approval: `approval`, by default the actor's.

    The transaction's scope must be all campuses. Raises BadInput for the number on file; IllegalMove if the contract
    has ended; PhoneChangeWaiting if this person already has an open change.
    """
    approval = approval or actor
    phone, reason = wanted.phone, wanted.reason
    await tx.sessions.lock_persons((await tx.contracts.get_signer(wanted.signer)).person)
    signer = await tx.contracts.get_signer(wanted.signer)
    contract = await tx.contracts.get(signer.contract)
    if contract.state.final:
        raise IllegalMove(f"no messages are sent about a contract in this state:\n{contract.state}")
    if signer.phone == phone:
        raise BadInput("this number is already on file", field="phone")
    await tx.phone_changes.expire(tx.now)
    if await tx.phone_changes.find_open(signer.person):
        raise PhoneChangeWaiting
    change = PhoneChange(
        id=uuid4(),
        contract=contract.id,
        signer=signer.id,
        campus=contract.campus,
        person=signer.person,
        old_hash=tx.cipher.found_by("phone", signer.phone),
        phone=phone,
        reason=reason,
        state=PhoneChangeState.OPEN,
        asked_by=actor,
        asked_at=tx.now,
        approvals={approval: tx.now.isoformat(timespec="seconds")},
    )
    await tx.phone_changes.add(change)
    salt = await tx.contracts.find_salt(signer.id)
    facts = {"approval": approval, "reason": reason} | ({"after": compute_commitment(salt, phone)} if salt else {})
    await _note(tx, change, "phone-change-asked", actor, facts)
    text = "This signer is to have another phone number. It waits for the approval of a second person."
    waits = StaffTask(uuid4(), PHONE_CHANGE, text, change.campus, tx.now, change.contract, change.signer)
    await tx.staff_tasks.add_task(waits)
    await notice_sharing(tx, change)
    return change


async def ask_with_old_phone(services: Services, secret: str, contract_id: UUID | None, phone: str) -> PhoneChange:
    """Request a change from the person's verified session, or approve a waiting one for the same number. Idempotent.

    If this is the second approval, it changes the number, which ends this session. Raises SessionNotValid, NotVerified;
    IdentityNotChecked for people who only declared their identity; PhoneChangeWaiting if another change is waiting, or
    if the waiting one does not concern the phone of this session; and what `ask` raises.
    """
    number = normalise_phone(phone, field="phone")
    async with begin_visit(services.database, secret, contract_id) as (tx, visiting):
        signer = visiting.signer
        if not await tx.sessions.has_matched_identity(visiting.session.id, visiting.contract.id):
            raise IdentityNotChecked
        change = await tx.phone_changes.find_open(signer.person, lock=True)
        if change is None or not change.open(tx.now):
            wanted = PhoneRequest(signer.contract, signer.id, number, "asked by the signer")
            return await begin_phone_change(tx, wanted, visiting.actor, OLD_PHONE)
        mine = tx.cipher.found_by("phone", signer.phone)
        if change.phone != number or not hmac.compare_digest(change.old_hash, mine):
            raise PhoneChangeWaiting
        await visit(tx, secret, contract_id)  # check again under the lock of the change
        if OLD_PHONE in change.approvals:
            return change
        return await _approve(services, tx, change, OLD_PHONE, visiting.actor)


async def approve(services: Services, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """Give the second approval as staff; the number changes in this transaction. Raises NotFound, PhoneChangeEnded, and
    OwnApproval for the first approver, also if they asked by an API key that they made."""
    async with services.database.transaction(EVERYTHING) as tx:
        change = await _waiting(tx, scope, change_id)
        if await find_key_maker(tx, change.asked_by) == actor:
            raise OwnApproval("it was requested by an API key that you made")
        return await _approve(services, tx, change, actor, actor)


async def turn_down(services: Services, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """Cancel a change as its requester, or reject it as somebody else. Raises NotFound, PhoneChangeEnded."""
    async with services.database.transaction(EVERYTHING) as tx:
        change = (await _waiting(tx, scope, change_id)).turn_down(actor, tx.now)
        await _finish_change(tx, change, actor)
        await _note(tx, change, "phone-change-turned-down", actor, {"state": change.state.value})
    return change


async def list_waiting(services: Services, scope: Scope) -> list[WaitingPhoneChange]:
    """Return the changes that wait for an approval within the scope, oldest first."""
    async with services.database.transaction(scope) as tx:
        changes = await tx.phone_changes.list_waiting(tx.now)
        found = [
            (each, await tx.contracts.get(each.contract), await tx.contracts.get_signer(each.signer))
            for each in changes
        ]
    async with services.database.transaction(EVERYTHING) as tx:
        return [WaitingPhoneChange(*each, await is_shared(tx, each[0])) for each in found]


async def show_numbers(services: Services, scope: Scope, change_id: UUID, actor: str) -> WaitingPhoneChange:
    """Return a change with both full numbers to a person who decides about it, and record that they saw them.

    Raises NotFound, PhoneChangeEnded.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        change = await _waiting(tx, scope, change_id)
        if not change.open(tx.now):
            raise PhoneChangeEnded
        contract, signer = await tx.contracts.get(change.contract), await tx.contracts.get_signer(change.signer)
        await note_phone_change_look(tx, contract, signer, actor)
        return WaitingPhoneChange(change, contract, signer, await is_shared(tx, change))


# ---- steps


async def _waiting(tx: Transaction, scope: Scope, change_id: UUID) -> PhoneChange:
    change = await tx.phone_changes.get(change_id, lock=True)
    if change is None or not scope.covers(change.campus):
        raise NotFound("phone number change not found")
    return change


async def _approve(services: Services, tx: Transaction, change: PhoneChange, approval: str, actor: str) -> PhoneChange:
    approved = change.approve(approval, tx.now)
    await move_phone(services, tx, approved, actor)
    await _finish_change(tx, approved, actor)
    await notice_sharing(tx, approved)
    return approved


async def _finish_change(tx: Transaction, change: PhoneChange, actor: str) -> None:
    await tx.phone_changes.write_decision(change)
    await tx.staff_tasks.finish_tasks_of([change.signer], PHONE_CHANGE, actor, tx.now)


async def _note(tx: Transaction, change: PhoneChange, kind: str, actor: str, facts: dict[str, str]) -> None:
    about = {"signer": str(change.signer), "change": str(change.id)}
    await tx.record.append(change.contract, change.campus, kind, actor, about | facts)
