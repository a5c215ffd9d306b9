"""A person has another phone number: two approve it, and then it changes for all of their contracts at once.

Whoever asks is the first to approve: staff, a program of the school (by its API key), or the person in a verified
session, which came about by the old phone's one-time code. The second one has to be somebody else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from hub.errors import BadInput, IdentityNotChecked, IllegalMove, NotFound, PhoneChangeWaiting
from hub.lifecycle.services import Services
from hub.lifecycle.signing.open_link import visit
from hub.lifecycle.staff.move_phone import move_phone
from hub.lifecycle.staff.notice_sharing import is_shared, notice_sharing
from hub.model.contract.contract import Contract
from hub.model.contract.person import phone_number
from hub.model.contract.signer import Signer
from hub.model.evidence.record import commitment
from hub.model.staff.accounts import EVERYTHING, Scope, StaffTask
from hub.model.staff.phone_change import OLD_PHONE, PHONE_CHANGE, PhoneChange, PhoneChangeState
from hub.store.transaction import Transaction

MAX_REASON_LENGTH = 500


@dataclass(frozen=True)
class Waiting:
    """A change that waits, with what its second approver has to know. `shared`: several others who are not all of
    one family have the new number."""

    change: PhoneChange
    contract: Contract
    signer: Signer
    shared: bool


@dataclass(frozen=True)
class PhoneRequest:
    """Which other number a signer of a contract is to have, and why."""

    contract: UUID
    signer: UUID
    phone: str
    reason: str


async def ask(services: Services, scope: Scope, asked: PhoneRequest, actor: str) -> PhoneChange:
    """The school asks. Raises as `check_phone_request` and `begin_phone_change` do."""
    wanted = await check_phone_request(services, scope, asked)
    async with services.database.transaction(EVERYTHING) as tx:
        return await begin_phone_change(tx, wanted, actor)


async def check_phone_request(services: Services, scope: Scope, asked: PhoneRequest) -> PhoneRequest:
    """Return the request in its normal form. Raises ContractNotFound, and BadInput for what is no mobile number."""
    wanted = replace(asked, phone=phone_number(asked.phone, field="phone"), reason=asked.reason.strip())
    if not wanted.reason or len(wanted.reason) > MAX_REASON_LENGTH:
        raise BadInput(f"a reason of up to {MAX_REASON_LENGTH} characters is needed", field="reason")
    # Who may see this contract may ask; the person is known elsewhere.
    async with services.database.transaction(scope) as tx:
        await tx.contracts.get(wanted.contract)
        if wanted.signer not in {each.id for each in await tx.contracts.signers(wanted.contract)}:
            raise BadInput("this contract has no such signer", field="signer")
    return wanted


async def begin_phone_change(tx: Transaction, wanted: PhoneRequest, actor: str) -> PhoneChange:
    """Begin a change that was checked; whoever asks has approved it. The transaction sees all campuses.

    Raises BadInput for the number on file; IllegalMove when the contract has ended; PhoneChangeWaiting when this person
    has an open change already.
    """
    return await _begin(tx, wanted, actor, actor)


async def ask_with_old_phone(services: Services, secret: str, contract_id: UUID | None, phone: str) -> PhoneChange:
    """The person in their verified session: the first approval of a new wish, or the second of one that waits for the
    same number, which changes it and ends this very session. Again: the same answer, nothing changes.

    Raises SessionNotValid, NotVerified; IdentityNotChecked for whoever only said who they are; PhoneChangeWaiting when
    one waits for another number, or is about another phone than that of this session; and as `ask` does.
    """
    number = phone_number(phone, field="phone")
    async with services.database.transaction(EVERYTHING) as tx:
        visiting = await visit(tx, secret, contract_id)
        signer = visiting.signer
        if not await tx.sessions.identity_matched(visiting.session.id, visiting.contract.id):
            raise IdentityNotChecked
        change = await tx.phone_changes.open_of(signer.person, lock=True)
        if change is None or not change.open(tx.now):
            wanted = PhoneRequest(signer.contract, signer.id, number, "asked by the signer")
            return await _begin(tx, wanted, visiting.actor, OLD_PHONE)
        mine = tx.cipher.found_by("phone", signer.phone)
        if change.phone != number or not hmac.compare_digest(change.old_hash, mine):
            raise PhoneChangeWaiting
        await visit(tx, secret, contract_id)  # still so, now that nobody else settles the same wish
        if OLD_PHONE in change.approvals:
            return change
        return await _approve(services, tx, change, OLD_PHONE, visiting.actor)


async def approve(services: Services, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """The second approval, by staff; the phone changes in this transaction. Raises NotFound, PhoneChangeEnded, and
    OwnApproval for whoever was the first."""
    async with services.database.transaction(EVERYTHING) as tx:
        return await _approve(services, tx, await _waiting(tx, scope, change_id), actor, actor)


async def turn_down(services: Services, scope: Scope, change_id: UUID, actor: str) -> PhoneChange:
    """Whoever asked takes it back, or somebody else rejects it. Raises NotFound, PhoneChangeEnded."""
    async with services.database.transaction(EVERYTHING) as tx:
        change = (await _waiting(tx, scope, change_id)).turned_down(actor, tx.now)
        await _settle(tx, change, actor)
        await _note(tx, change, "phone-change-turned-down", actor, {"state": change.state.value})
    return change


async def waiting(services: Services, scope: Scope) -> list[Waiting]:
    """All that wait for an approval within the scope, oldest first."""
    async with services.database.transaction(scope) as tx:
        changes = await tx.phone_changes.waiting(tx.now)
        found = [
            (each, await tx.contracts.get(each.contract), await tx.contracts.signer(each.signer)) for each in changes
        ]
    async with services.database.transaction(EVERYTHING) as tx:
        return [Waiting(*each, await is_shared(tx, each[0])) for each in found]


# ---- steps


async def _begin(tx: Transaction, wanted: PhoneRequest, actor: str, approval: str) -> PhoneChange:
    phone, reason = wanted.phone, wanted.reason
    await tx.sessions.one_at_a_time((await tx.contracts.signer(wanted.signer)).person)
    signer = await tx.contracts.signer(wanted.signer)
    contract = await tx.contracts.get(signer.contract)
    if contract.state.final:
        raise IllegalMove(f"nobody is written to about a contract in this state:\n{contract.state}")
    if signer.phone == phone:
        raise BadInput("this is the number on file already", field="phone")
    await tx.phone_changes.expire(tx.now)
    if await tx.phone_changes.open_of(signer.person):
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
    salt = await tx.contracts.salt(signer.id)
    facts = {"approval": approval, "reason": reason} | ({"after": commitment(salt, phone)} if salt else {})
    await _note(tx, change, "phone-change-asked", actor, facts)
    text = "This signer is to have another phone number. It waits for the approval of a second person."
    waits = StaffTask(uuid4(), PHONE_CHANGE, text, change.campus, tx.now, change.contract, change.signer)
    await tx.staff_tasks.add_task(waits)
    await notice_sharing(tx, change)
    return change


async def _waiting(tx: Transaction, scope: Scope, change_id: UUID) -> PhoneChange:
    change = await tx.phone_changes.get(change_id, lock=True)
    if change is None or not scope.covers(change.campus):
        raise NotFound("there is no such change of a phone number")
    return change


async def _approve(services: Services, tx: Transaction, change: PhoneChange, approval: str, actor: str) -> PhoneChange:
    approved = change.approved(approval, tx.now)
    await move_phone(services, tx, approved, actor)
    await _settle(tx, approved, actor)
    await notice_sharing(tx, approved)
    return approved


async def _settle(tx: Transaction, change: PhoneChange, actor: str) -> None:
    await tx.phone_changes.decided(change)
    await tx.staff_tasks.finish_tasks_of(change.signer, PHONE_CHANGE, actor, tx.now)


async def _note(tx: Transaction, change: PhoneChange, kind: str, actor: str, facts: dict[str, str]) -> None:
    about = {"signer": str(change.signer), "change": str(change.id)}
    await tx.record.append(change.contract, change.campus, kind, actor, about | facts)


__all__ = ["PhoneRequest", "Waiting", "approve", "ask", "ask_with_old_phone", "turn_down", "waiting"]
