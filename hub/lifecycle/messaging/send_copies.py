"""Send the completed contract to the recipients of copies, each by a separate e-mail."""

from __future__ import annotations

from uuid import uuid4
from zoneinfo import ZoneInfo

from hub.errors import BudgetSpent
from hub.lifecycle.messaging.quotas import alert_spent_in, consume_message_quota
from hub.lifecycle.messaging.send import school_words
from hub.lifecycle.services import Services
from hub.model.contract.contract import Contract
from hub.model.contract.contract_copy import CopyRecipient, copies_of, copy_key
from hub.model.messaging.budget import CountedMessage
from hub.model.messaging.delivery import Delivery, DeliveryState, compute_check_time
from hub.model.reminders.may_send import Drop, MessageCase, may_send
from hub.model.school.course import Campus
from hub.model.staff.accounts import UNREACHED, StaffTask
from hub.store.operation.jobs import DELIVER
from hub.store.transaction import Transaction

CHANNEL = "email"
NOT_SENT = "A copy of the completed contract did not reach somebody who was to get one:"


async def send_copies(services: Services, tx: Transaction, completed: Contract) -> None:
    """Write an e-mail with its job for each recipient. The caller has locked the contract and its record.

    No error here prevents the completion: an e-mail that cannot be sent is recorded, and staff get a task.
    """
    copies = copies_of(completed)
    if not copies:
        return
    campus = await tx.school.get_campus(completed.campus)
    await services.messaging.texts.refresh(tx)
    for number, copy in enumerate(copies):
        await _send_copy(services, tx, (completed, campus), (number, copy))


async def _send_copy(
    services: Services, tx: Transaction, about: tuple[Contract, Campus], whom: tuple[int, CopyRecipient]
) -> None:
    (contract, campus), (number, copy) = about, whom
    told = {"copy": number, "copy_role": copy.role.value}
    case = MessageCase(copy.purpose, ZoneInfo(campus.zone), 0.0, silent=await tx.opt_outs.list_channels(copy.email))
    channel = CHANNEL if services.messaging.router.providers.list_able(CHANNEL, copy.email, copy.language) else None
    verdict = may_send(case, channel, services.messaging.policy, tx.planning_now)
    reason = verdict.reason.value if isinstance(verdict, Drop) else await _count(services, tx, contract, copy)
    if reason is not None:
        await tx.record.append(contract.id, contract.campus, "copy-not-sent", "hub", told | {"reason": reason})
        await add_lost_copy_task(tx, contract, whom, reason)
        return
    delivery = _attempt(services, tx, about, whom)
    if await tx.deliveries.add(delivery, None):
        facts = told | {"delivery": str(delivery.id), "channel": CHANNEL}
        await tx.record.append(contract.id, contract.campus, "copy-sending", "hub", facts)
        await tx.jobs.enqueue(DELIVER, {"delivery": str(delivery.id)}, f"deliver-{delivery.id}")


async def _count(services: Services, tx: Transaction, contract: Contract, copy: CopyRecipient) -> str | None:
    """Count the e-mail against its budgets. Return why it may not be sent, or None."""
    counted = CountedMessage(copy.email, campus=contract.campus, part=contract.id.int)
    try:
        await consume_message_quota(services, tx, [counted], tx.now)
    except BudgetSpent as spent:
        await alert_spent_in(tx, spent)
        return "budget"
    return None


def _attempt(
    services: Services, tx: Transaction, about: tuple[Contract, Campus], whom: tuple[int, CopyRecipient]
) -> Delivery:
    (contract, campus), (number, copy) = about, whom
    words = school_words(services, contract, campus, copy.language)
    filled = services.messaging.messages.shorten_values(copy.purpose, copy.language, words)
    at = tx.planning_now
    return Delivery(
        id=uuid4(),
        key=copy_key(contract.id, number),
        purpose=copy.purpose.value,
        channel=CHANNEL,
        to=copy.email,
        language=copy.language,
        text=services.messaging.router.renderer.render_stored(copy.purpose, CHANNEL, copy.language, None, filled),
        variables=filled,
        state=DeliveryState.SENDING,
        created_at=at,
        planned_at=at,
        contract=contract.id,
        campus=contract.campus,
        intent=copy_key(contract.id, number),
        check_at=compute_check_time(copy.purpose, DeliveryState.SENDING, at, receipts=False),
    )


async def add_lost_copy_task(tx: Transaction, contract: Contract, whom: tuple[int, CopyRecipient], reason: str) -> None:
    """Create a staff task about a copy that was not delivered, once for each recipient and reason. Recipients are
    numbered from 1, as on the contract's page."""
    number, copy = whom
    text = f"{NOT_SENT}\n{copy.role.value}\n#{number + 1}\n{reason}"
    task = StaffTask(uuid4(), UNREACHED, text, contract.campus, tx.now, contract.id, None)
    await tx.staff_tasks.add_task_once(task, same_text=True)
