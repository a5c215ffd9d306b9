"""Staff settle what a signer asked."""

from __future__ import annotations

from uuid import UUID

from hub.errors import PhoneChangeWaiting
from hub.lifecycle.reminders.reschedule import unpause
from hub.lifecycle.services import Services
from hub.lifecycle.signing.questions import QUESTIONS, hold_all
from hub.model.staff.accounts import EVERYTHING, Scope
from hub.model.staff.phone_change import PHONE_CHANGE


async def settle(services: Services, scope: Scope, staff_task: UUID, actor: str) -> bool:
    """Staff have settled what somebody asked: reminders to that number go on. False when it was settled before.

    While another question from the same number is open, they stay silent. Raises PhoneChangeWaiting where the task
    stands for a change that still waits: it is settled by approving the change, or by turning it down.
    """
    async with services.database.transaction(scope) as tx:
        asked = await tx.staff_tasks.task(staff_task)
    if asked is None:
        return False
    async with services.database.transaction(
        EVERYTHING
    ) as tx:  # the number that fell silent may be known at other campuses
        silent = None
        if asked.kind == PHONE_CHANGE and asked.signer and asked.signer in await tx.phone_changes.signers(tx.now):
            raise PhoneChangeWaiting
        if asked.kind in QUESTIONS and asked.signer is not None:
            silent = await hold_all(tx, asked.signer, asked.contract)
        if not await tx.staff_tasks.finish_task(staff_task, actor, tx.now):
            return False
        if silent and not await tx.staff_tasks.questions_at(silent.number, QUESTIONS):
            await unpause(services, tx, silent.number, silent.contracts)
        if asked.contract is not None:
            facts = {"kind": asked.kind, "staff_task": str(asked.id)}
            await tx.record.append(asked.contract, asked.campus, "staff-task-settled", actor, facts)
    return True
