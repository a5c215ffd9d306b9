"""Carry out a phone number change, in one transaction with everything that depends on the old number.

Lock order: the contracts first, as in signing and sending; then the person's devices, sessions, the person, and the
rows that depend on them. So a message that is being sent was either committed before, or is not sent.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.lifecycle.reminders.reschedule import unpause
from hub.lifecycle.services import Services
from hub.lifecycle.signing.device_keys import note_revoked, revoke_all
from hub.lifecycle.signing.questions import QUESTIONS
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, TaskState
from hub.model.messaging.delivery import PHONE_CHANGED
from hub.model.reminders.schedule import ReminderPlan, first_step, spread_of
from hub.model.staff.phone_change import PhoneChange
from hub.router.policy import get_policy
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction


async def move_phone(services: Services, tx: Transaction, change: PhoneChange, actor: str) -> None:
    """Replace the number in all contracts that have not ended. The caller has approved and locked the `change`.

    Tickets, sessions, codes, passkeys and unsent messages of the old number become invalid. The count of wrong answers
    is kept. Opt-outs belong to numbers, so the new number may have one of its own.
    """
    signers = await tx.contracts.list_signers_with_phone(change.person, change.old_hash)
    there = await tx.contracts.list_unfinished_at(change.old_hash)
    held = sorted({*there, *(signer.contract for signer in signers)})
    contracts = {each: await tx.contracts.lock_contract(each) for each in held}
    everywhere = [signer.id for signer in signers]
    revoked = await revoke_all(tx, change.person, actor, PHONE_CHANGED)
    await tx.sessions.lock(everywhere)
    await tx.sessions.lock_persons(change.person)
    for key in revoked:
        await note_revoked(tx, key, (change.contract, change.campus), actor, PHONE_CHANGED)
    await tx.links.renew(everywhere, tx.now)
    await tx.sessions.end_all(everywhere)
    await tx.sessions.end_codes(change.person, tx.now)
    await tx.passkeys.end_all(change.person, tx.now)
    at = tx.planning_now
    await tx.deliveries.withdraw(everywhere, change.old_hash, at, PHONE_CHANGED)
    moving = [signer for signer in signers if not contracts[signer.contract].state.final]
    await tx.contracts.put_phone([signer.id for signer in moving], change.phone)
    if not await tx.staff_tasks.has_questions_at(change.old_hash, QUESTIONS):
        await unpause(services, tx, change.old_hash, there)  # the question that paused them was about the old number
    silent = await _is_silent(tx, change, everywhere)
    for signer in moving:
        await _invite(services, tx, contracts[signer.contract], signer, silent)
        await _record(tx, change, signer, actor)


async def _is_silent(tx: Transaction, change: PhoneChange, moving: list[UUID]) -> bool:
    """Return whether a question from the new number is still open, which stops messages to it.

    Questions from the old number do not count.
    """
    return await tx.staff_tasks.has_questions_at(tx.cipher.found_by("phone", change.phone), QUESTIONS, besides=moving)


async def _invite(services: Services, tx: Transaction, contract: Contract, signer: Signer, silent: bool) -> None:
    """Restart the invitation for the new number, which has had no message yet."""
    task = await tx.tasks.get_of_signer(signer.id)
    if task.state.final:
        return
    await tx.tasks.pause(task.id, silent)
    if task.state is not TaskState.OPEN:
        return  # their first message will go to the new number
    now, policy = tx.planning_now, await get_policy(tx, services.messaging.policy, contract)
    plan = ReminderPlan(policy, now, contract.deadline, ZoneInfo(signer.zone), spread_of(task.id))
    step = first_step(plan, "now")
    await tx.tasks.open(task.id, step, now)
    await tx.reminders.note(task, LedgerNote("planned", step=step, reason=PHONE_CHANGED), now)


async def _record(tx: Transaction, change: PhoneChange, signer: Signer, actor: str) -> None:
    """Write the record entry. The numbers themselves are in a side table until the person is erased."""
    facts: dict[str, Any] = {
        "signer": str(signer.id),
        "change": str(change.id),
        "asked_by": change.asked_by,
        "approved_by": sorted(change.approvals),
    }
    if salt := await tx.contracts.find_salt(signer.id):
        facts["before"] = await tx.record.commit(signer, salt, "phone", signer.phone)
        facts["after"] = await tx.record.commit(signer, salt, "phone", change.phone)
    await tx.record.append(signer.contract, signer.campus, "phone-changed", actor, facts)
