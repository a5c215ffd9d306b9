"""Send a reminder at once, by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.errors import IllegalMove, TooSoon
from hub.lifecycle.messaging.send import NewMessage, get_channels, send_at_once
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract, ContractState
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.messaging.delivery import PLANNED, Delivery
from hub.model.messaging.message import Purpose
from hub.model.reminders.due_step import PURPOSES
from hub.model.reminders.may_send import ANY_CHANNEL, ByHand, MessageCase, Wait, may_send
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import spread_of
from hub.router.policy import get_policy
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

# The prefix of the keys of reminders sent by hand, by which they are counted.
HAND = "hand-"


async def remind_by_hand(services: Services, tx: Transaction, contract_id: UUID, actor: str) -> list[Delivery]:
    """Remind all signers of the contract whose turn it is, at once. Return the messages that go out.

    Signers whose reminders are paused ("not me"), and those who just got a message, are left out. The
    caller opens the transaction inside `alert_if_spent`. Raises IllegalMove if nobody may be reminded, TooSoon if all
    of them have to wait, BudgetSpent.
    """
    contract = await tx.contracts.lock_contract(contract_id)
    tasks = await _to_remind(tx, contract)
    signers = [await tx.contracts.get_signer(task.signer) for task in tasks]
    # Limits are counted by person, and another contract of the same person may be reminded at the same time.
    await tx.sessions.lock_persons(*{signer.person for signer in signers})
    waits, tried = [], []
    for task, signer in zip(tasks, signers, strict=True):
        try:
            tried.append(await _by_hand(services, tx, contract, task, signer))
        except TooSoon as wait:
            waits.append(wait)
    if not tried:
        raise min(waits, key=lambda wait: wait.retry_after or timedelta(0))
    sent = [delivery for delivery in tried if delivery]
    if sent:  # what no channel takes is no reminder
        await tx.record.append(contract.id, contract.campus, "reminded-by-hand", actor, {"tasks": len(sent)})
    return sent


async def _to_remind(tx: Transaction, contract: Contract) -> list[SigningTask]:
    tasks = [task for task in await tx.tasks.list_of_contract(contract.id) if task.state is TaskState.OPEN]
    if contract.state is not ContractState.ISSUED or not tasks:
        raise IllegalMove("no signature is due for this contract")
    if all(task.paused for task in tasks):
        raise IllegalMove("Reminders are paused until the question from this number has been answered.")
    return [task for task in tasks if not task.paused]


async def _by_hand(
    services: Services, tx: Transaction, contract: Contract, task: SigningTask, signer: Signer
) -> Delivery | None:
    """Send one signer a reminder. The caller has locked the contract and the person. Raises TooSoon, BudgetSpent."""
    now = tx.planning_now
    policy = await get_policy(tx, services.messaging.policy, contract)
    await _refuse_too_soon(policy, tx, task, signer, now)
    key = f"{HAND}{task.id}-{now.isoformat()}"
    first = policy.through(Purpose.REMINDER)
    delivery = await send_at_once(
        services, tx, contract, signer, NewMessage(Purpose.REMINDER, key, task=task, first=first)
    )
    if delivery:
        await tx.reminders.note(task, LedgerNote("sent", reason="by-hand", delivery=delivery.id), now)
    return delivery


async def _refuse_too_soon(
    policy: ReminderPolicy, tx: Transaction, task: SigningTask, signer: Signer, now: datetime
) -> None:
    messages = await tx.deliveries.list_sent_to_person(signer.person, now - timedelta(days=1), PLANNED)
    by_hand = ByHand(messages[-1] if messages else None, await tx.deliveries.list_sent_for_task(task.id, HAND))
    case = MessageCase(
        Purpose.REMINDER, ZoneInfo(signer.zone), spread_of(task.id), [task], answers_an_act=True, by_hand=by_hand
    )
    # `send_at_once` finds out whether a channel reaches the signer.
    verdict = may_send(case, ANY_CHANNEL, policy, now)
    if isinstance(verdict, Wait):
        raise TooSoon(verdict.detail, retry_after=verdict.until - now)


async def next_channel(
    services: Services, tx: Transaction, policy: ReminderPolicy, signer: Signer, task: SigningTask
) -> str | None:
    """Return the channel that the next step of a task would use now. None if the step sends no message, or no channel
    fits."""
    purpose = PURPOSES.get(task.step.kind) if task.step else None
    if purpose is None:
        return None
    return next(iter(await get_channels(services, tx, signer, purpose, policy.through(purpose))), None)
