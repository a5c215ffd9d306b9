"""The signer refuses to sign."""

from __future__ import annotations

from uuid import UUID, uuid4

from hub.errors import IllegalMove
from hub.lifecycle.contract.end import end
from hub.lifecycle.services import Parts
from hub.lifecycle.signing.open_link import visit
from hub.lifecycle.signing.questions import checked_words
from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.staff.accounts import EVERYTHING, StaffTask

DECLINED = "A signer declined, and gave this reason:"
DECLINED_SILENTLY = "A signer declined, and gave no reason."


async def decline(parts: Parts, secret: str, contract_id: UUID | None, reason: str) -> ContractState:
    """The signer refuses to sign: the contract is over for everybody. Again: success, nothing changes."""
    async with parts.database.unit(EVERYTHING) as unit:
        visiting = await visit(unit, secret, contract_id)
        contract = await unit.contracts.locked(visiting.contract.id)
        visiting = await visit(unit, secret, contract.id)
        if visiting.task.state is TaskState.DECLINED:
            return contract.state
        if visiting.task.state is not TaskState.OPEN:
            raise IllegalMove("there is nothing to decline any more")
        await unit.tasks.end(visiting.task.id, TaskState.DECLINED, unit.now)
        planning = await unit.planning_now()
        await unit.reminders.note(visiting.task, "stopped", planning, step=visiting.task.step, reason="declined")
        words = checked_words(reason)
        ended = await end(parts, unit, contract, ContractState.DECLINED, words, visiting.actor, tell=None)
        text = f"{DECLINED}\n{words}" if words else DECLINED_SILENTLY
        await unit.desk.add_task(
            StaffTask(uuid4(), "declined", text, contract.campus, unit.now, contract.id, visiting.signer.id)
        )
    return ended.state
