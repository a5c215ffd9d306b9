"""Finish staff tasks, such as signers' questions, and resume the reminders that they paused."""

from __future__ import annotations

from uuid import UUID

import structlog

from hub.errors import PhoneChangeWaiting, Unavailable
from hub.lifecycle.reminders.reschedule import unpause
from hub.lifecycle.services import Services
from hub.lifecycle.signing.questions import QUESTIONS, lock_all
from hub.model.staff.accounts import StaffTask
from hub.model.staff.phone_change import PHONE_CHANGE
from hub.model.staff.scope import EVERYTHING, Scope
from hub.model.staff.task_outcome import SETTLED, TaskEnd, TaskOutcome
from hub.store.transaction import Transaction

# Tasks that one round finishes.
MOOT_AT_ONCE = 100
log = structlog.get_logger()


async def finish_moot_tasks(services: Services) -> None:
    """Finish staff tasks that have become unnecessary. If one fails, it stays open and the others are finished."""
    async with services.database.transaction(EVERYTHING) as tx:
        moot = await tx.staff_tasks.list_moot(MOOT_AT_ONCE)
    for task in moot:
        try:
            await finish_staff_task(services, EVERYTHING, task, "hub", TaskEnd(TaskOutcome.MOOT))
        except Unavailable:
            raise
        except Exception:
            log.exception("moot staff task not finished", staff_task=str(task))


async def finish_staff_task(
    services: Services, scope: Scope, staff_task: UUID, actor: str, end: TaskEnd = SETTLED
) -> bool:
    """Finish a staff task and resume reminders to the number. Return False if it was already finished.

    Reminders stay paused while another question from the same number is open. Raises PhoneChangeWaiting if the task is
    about a waiting phone number change, which has to be approved or turned down instead.
    """
    async with services.database.transaction(scope) as tx:
        asked = await tx.staff_tasks.find_task(staff_task)
    if asked is None:
        return False
    async with services.database.transaction(EVERYTHING) as tx:  # the paused number may be used at other campuses
        if await _waits_for_decision(tx, asked):
            raise PhoneChangeWaiting
        paused = None
        if asked.kind in QUESTIONS and asked.signer is not None:
            paused = await lock_all(tx, asked.signer, asked.contract)
        if not await tx.staff_tasks.finish_task(staff_task, actor, tx.now, end):
            return False
        if paused and not await tx.staff_tasks.has_questions_at(paused.number, QUESTIONS):
            await unpause(services, tx, paused.number, paused.contracts)
        if asked.contract is not None:
            facts = {"kind": asked.kind, "staff_task": str(asked.id), "outcome": end.outcome.value}
            facts |= {"reason": end.note} if end.note else {}
            await tx.record.append(asked.contract, asked.campus, "staff-task-settled", actor, facts)
    return True


async def _waits_for_decision(tx: Transaction, task: StaffTask) -> bool:
    """Return whether a task is about a phone number change that waits for a decision."""
    return task.kind == PHONE_CHANGE and task.signer in await tx.phone_changes.list_signers_waiting(tx.now)
