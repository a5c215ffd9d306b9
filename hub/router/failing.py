"""Messages that raise an error whenever they are to be sent: they are tried again, ever later, and staff see it.

What is broken may be the contract's own data, so nothing of it is read here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from hub.model.contract.contract import STEP_FAILED, TOLD_AFTER
from hub.model.staff.accounts import StaffTask
from hub.store.transaction import Transaction

CANNOT_SEND = "A message to this signer cannot be sent, as it raises an error. It is tried again by itself. The error:"
STUCK = "stuck"


@dataclass(frozen=True)
class FailingMessage:
    """A message that raises an error. `since`: when it was due, on the planning clock."""

    since: datetime
    contract: UUID | None
    signer: UUID | None
    campus: str | None


async def show_failing(tx: Transaction, error: Exception, message: FailingMessage) -> None:
    """Show it once it lasts: on the board, as a task, and once a day for each campus as an alert. The caller holds the
    contract."""
    contract, campus = message.contract, message.campus
    if tx.planning_now - message.since < TOLD_AFTER:
        return
    if contract:
        await tx.contracts.show_stuck(contract, tx.now, STEP_FAILED)
    if campus:
        text = f"{CANNOT_SEND}\n{type(error).__name__}"
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), STUCK, text, campus, tx.now, contract, message.signer))
    day = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    if await tx.budgets.spend("alarm", f"{STEP_FAILED}/{campus}", day, 1):
        await tx.alerts.add(STEP_FAILED, {"campus": campus or "-"}, tx.now, campus)


async def show_recovered(tx: Transaction, contract: UUID, signer: UUID) -> None:
    """A message of it went out again. The caller holds the contract."""
    if await tx.contracts.clear_stuck(contract, STEP_FAILED):
        await tx.owners.finish_of(STUCK, [signer], tx.now)
