"""Move the deadline of a contract, and reschedule its steps."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub.errors import IllegalMove
from hub.lifecycle.contract.end import check_deadline
from hub.lifecycle.reminders.reschedule import replan
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.staff.scope import Scope
from hub.store.transaction import Transaction


async def extend(services: Services, scope: Scope, contract_id: UUID, deadline: datetime, actor: str) -> Contract:
    """Move the deadline as `extend_issued` does, in its own transaction."""
    async with services.database.transaction(scope) as tx:
        return await extend_issued(services, tx, contract_id, deadline, actor)


async def extend_issued(
    services: Services, tx: Transaction, contract_id: UUID, deadline: datetime, actor: str
) -> Contract:
    """Lock the contract, move its deadline, and reschedule all open tasks. Return the contract.

    Raises IllegalMove if it is not issued, BadInput for the deadline.
    """
    contract = await tx.contracts.lock_contract(contract_id)
    if contract.state is not ContractState.ISSUED:
        raise IllegalMove(f"the deadline of a contract in this state cannot move:\n{contract.state}")
    check_deadline(deadline, tx.planning_now)
    return await move_deadline(services, tx, contract, deadline, actor)


async def move_deadline(
    services: Services, tx: Transaction, contract: Contract, deadline: datetime, actor: str
) -> Contract:
    """Move the deadline of a contract that the caller has locked, in any state, and reschedule its open tasks."""
    changed = await tx.contracts.change(contract, deadline=deadline)
    facts = {"before": contract.deadline.isoformat(), "after": deadline.isoformat()}
    await tx.record.append(contract.id, contract.campus, "deadline-moved", actor, facts)
    await replan(services, tx, changed)
    return changed
