"""Show staff the messages whose sending raises an error. Such messages are tried again with backoff.

The contract's own data may cause the error, so this module does not read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from hub.model.contract.contract import STEP_FAILED, STUCK_ALERT_DELAY
from hub.model.staff.accounts import StaffTask
from hub.store.transaction import Transaction

CANNOT_SEND = "A message to this signer cannot be sent because of an error. It is retried automatically. Error:"
STUCK = "stuck"


@dataclass(frozen=True)
class FailingMessage:
    """A message whose sending raises an error. `since`: when it was due, on the planning clock."""

    since: datetime
    contract: UUID | None
    signer: UUID | None
    campus: str | None


async def show_failing(tx: Transaction, error: Exception, message: FailingMessage) -> None:
    """Show a message that has failed for STUCK_ALERT_DELAY: on the dashboard, as a staff task, and in an alert.

    There is one alert a day for each campus. The caller has locked the contract.
    """
    contract, campus = message.contract, message.campus
    if tx.planning_now - message.since < STUCK_ALERT_DELAY:
        return
    if contract:
        await tx.contracts.show_stuck(contract, tx.now, STEP_FAILED)
    if campus:
        text = f"{CANNOT_SEND}\n{type(error).__name__}"
        await tx.staff_tasks.add_task_once(StaffTask(uuid4(), STUCK, text, campus, tx.now, contract, message.signer))
    day = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
    if await tx.budgets.consume("alarm", f"{STEP_FAILED}/{campus}", day, 1):
        await tx.alerts.add(STEP_FAILED, {"campus": campus or "-"}, tx.now, campus)


async def show_recovered(tx: Transaction, contract: UUID, signer: UUID) -> None:
    """Clear what `show_failing` showed, after a message was sent. The caller has locked the contract."""
    if await tx.contracts.clear_stuck(contract, STEP_FAILED):
        await tx.owners.finish_of(STUCK, [signer], tx.now)
