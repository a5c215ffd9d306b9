"""Decline a contract: a signer refuses to sign it."""

from __future__ import annotations

from uuid import UUID, uuid4

from hub.lifecycle.contract.end import Ending, end
from hub.lifecycle.services import Services
from hub.lifecycle.signing.entry.open_link import begin_locked_visit
from hub.lifecycle.signing.questions import checked_words
from hub.lifecycle.signing.signing_order import check_open
from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.staff.accounts import StaffTask
from hub.store.reminders.ledger import LedgerNote

DECLINED = "A signer declined, and gave this reason:"
DECLINED_SILENTLY = "A signer declined, and gave no reason."


async def decline(services: Services, secret: str, contract_id: UUID | None, reason: str) -> ContractState:
    """Decline a contract, which ends it for all signers. Idempotent. Returns the contract's state.

    Raises AlreadySigned, NotYourTurn; IllegalMove if the contract has ended; BadInput if the reason is too long.
    """
    async with begin_locked_visit(services.database, secret, contract_id) as (tx, visiting):
        contract = visiting.contract
        if visiting.task.state is TaskState.DECLINED:
            return contract.state
        check_open(contract, visiting.task)
        await tx.tasks.end(visiting.task.id, TaskState.DECLINED, tx.now)
        planning = tx.planning_now
        await tx.reminders.note(
            visiting.task, LedgerNote("stopped", step=visiting.task.step, reason="declined"), planning
        )
        words = checked_words(reason)
        ended = await end(services, tx, contract, Ending(ContractState.DECLINED, words, visiting.actor))
        text = f"{DECLINED}\n{words}" if words else DECLINED_SILENTLY
        await tx.staff_tasks.add_task(
            StaffTask(uuid4(), "declined", text, contract.campus, tx.now, contract.id, visiting.signer.id)
        )
    return ended.state
