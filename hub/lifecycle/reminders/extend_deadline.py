"""The deadline of a contract moves, and with it everything that was planned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from hub.errors import IllegalMove
from hub.lifecycle.contract.end import check_deadline
from hub.lifecycle.reminders.reschedule import replan
from hub.lifecycle.services import Parts
from hub.model.contract.contract import Contract, ContractState
from hub.model.staff.accounts import Scope
from hub.store.unit import Unit


async def extend(
    parts: Parts, scope: Scope, contract_id: UUID, deadline: datetime, actor: str,
    also: Callable[[Unit, Contract], Awaitable[None]] | None = None,
) -> Contract:  # fmt: skip
    """Move the deadline of an issued contract; every open task is planned anew. `also` is done in the same
    transaction."""
    async with parts.database.unit(scope) as unit:
        contract = await unit.contracts.locked(contract_id)
        if contract.state is not ContractState.ISSUED:
            raise IllegalMove(f"the deadline of a contract in this state cannot move:\n{contract.state}")
        check_deadline(deadline, await unit.planning_now())
        moved = await move_deadline(parts, unit, contract, deadline, actor)
        if also:
            await also(unit, moved)
    return moved


async def move_deadline(parts: Parts, unit: Unit, contract: Contract, deadline: datetime, actor: str) -> Contract:
    """`contract` is locked by the caller."""
    changed = await unit.contracts.change(contract, deadline=deadline)
    facts = {"before": contract.deadline.isoformat(), "after": deadline.isoformat()}
    await unit.record.append(contract.id, contract.campus, "deadline-moved", actor, facts)
    await replan(parts, unit, changed, "deadline-moved")
    return changed
