"""Fall back: resend a message that did not reach its signer, through the next channel of the signer's ladder.

The next channel is used if a message was refused or not delivered, got no receipt in time (although the provider was
asked for it), or was not opened in time. If no channel is left, staff get a task. The time of the next check is stored
with the state of a delivery (`hub.model.messaging.delivery.compute_check_time`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import structlog

from channels import CALL_TIMEOUT, CannotAsk, Fate
from hub.errors import BudgetSpent, Unavailable
from hub.lifecycle.messaging.quotas import alert_spent
from hub.lifecycle.messaging.send import Attempt, get_channels, write_attempt
from hub.lifecycle.messaging.send_copies import add_lost_copy_task
from hub.lifecycle.services import Services
from hub.model.contract.contract import STEP_FAILED, Contract, compute_error_backoff
from hub.model.contract.contract_copy import copies_of, number_in_key
from hub.model.contract.signer import Signer, SigningTask
from hub.model.messaging.delivery import OPEN_TIMEOUT, PLANNED, Delivery, DeliveryItem, DeliveryState, StateReport
from hub.model.messaging.message import ANSWERS, COPIES, Purpose, summarise_contracts
from hub.model.reminders.may_send import Drop, MessageCase, Verdict, Wait, may_send, settled
from hub.model.reminders.schedule import spread_of
from hub.model.staff.accounts import UNREACHED, StaffTask
from hub.model.staff.scope import EVERYTHING
from hub.router.failing_messages import FailingMessage, show_failing, show_recovered
from hub.router.policy import get_policy
from hub.store.messaging.deliveries import NEVER
from hub.store.reminders.ledger import LedgerNote
from hub.store.transaction import Transaction

NOT_REACHED = "A message did not reach this signer by any channel. The last channel, and its result:"
NONE_OPENED = "Messages arrive, but this signer opens none of them. There is no other way than this one:"
NO_RECEIPT, NOT_OPENED, NO_PROVIDER = "no-receipt", "not-opened", "no-provider"
# After this many unopened messages, staff get a task about a signer who has only one channel: on the fifth day by the
# default policy. With a task after the first unopened message, a campus with a thousand signers would have hundreds of
# tasks, although most of these signers open the second message.
UNOPENED_MESSAGES = 3
log = structlog.get_logger()


async def fall_back(services: Services, delivery_id: UUID) -> UUID | None:
    """Check one delivery whose check is due. Return the id of a delivery that has to be sent after the commit, or None.

    If the check fails, it is tried again later, without delaying other deliveries. Raises Unavailable.
    """
    try:
        return await _fall_back(services, delivery_id)
    except BudgetSpent as spent:
        await alert_spent(services, spent)
        await _later(services, delivery_id, spent.wait)
    except Unavailable:
        raise
    except Exception as error:
        log.exception("fallback failed", delivery=str(delivery_id))
        await _failed(services, delivery_id, error)
    return None


async def _failed(services: Services, delivery_id: UUID, error: Exception) -> None:
    """Plan a failed check again, with backoff up to one hour. Write the failure into the ledger, and tell staff."""
    async with services.database.transaction(EVERYTHING) as tx:
        about = await tx.deliveries.find_about(delivery_id)
        if about is None:
            return
        await tx.contracts.lock([about["contract"]] if about["contract"] else [])
        now, since = tx.planning_now, about["since"]
        await tx.deliveries.plan_check(delivery_id, now + compute_error_backoff(since, now))
        if about["task"]:
            task = await tx.tasks.get(about["task"])
            await tx.reminders.note(task, LedgerNote("failed", reason=STEP_FAILED, delivery=delivery_id), now)
        await show_failing(tx, error, FailingMessage(since, about["contract"], about["signer"], about["campus"]))


async def _ask_for_receipt(services: Services, delivery_id: UUID) -> None:
    """Ask the provider for a missing receipt, which may have been lost on its way to us, and store the answer.

    So a lost receipt neither counts against the provider nor causes a second message.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        delivery, now = await tx.deliveries.get(delivery_id), tx.planning_now
        if delivery is None or delivery.state is not DeliveryState.SENT or (delivery.check_at or NEVER) > now:
            return
        provider = services.messaging.router.providers.get(delivery.provider)
        if provider is None or not provider.channel.rules.receipts:
            return
        message = await services.messaging.router.renderer.render_message(tx, delivery)
    try:
        receipt = await asyncio.wait_for(
            provider.channel.find(message, delivery.provider_reference or ""), CALL_TIMEOUT
        )
    except (CannotAsk, TimeoutError) as error:
        log.info("no receipt, and the provider does not answer", delivery=str(delivery_id), reason=str(error))
        return
    if receipt and receipt.fate is not Fate.ACCEPTED:
        async with services.database.transaction(EVERYTHING) as tx:
            await services.messaging.router.apply_receipt(tx, delivery.id, provider, receipt)


async def _fall_back(services: Services, delivery_id: UUID) -> UUID | None:
    await _ask_for_receipt(services, delivery_id)
    async with services.database.transaction(EVERYTHING) as tx:
        known = await tx.deliveries.get(delivery_id)
        if known is None or known.contract is None or (known.signer is None and known.purpose not in COPIES):
            await tx.deliveries.plan_check(delivery_id, None)
            return None
        contracts = await tx.contracts.lock_many(await tx.shares.list_contracts(known))
        now = tx.planning_now
        delivery = await tx.deliveries.lock_check_due(delivery_id, now)
        if delivery is None:
            return None
        await tx.deliveries.plan_check(delivery_id, None)
        if delivery.purpose in COPIES:
            await _check_copy(tx, contracts[known.contract], delivery)
            return None
        reason = await _find_reason(services, tx, delivery)
        needed = await _find_needed(tx, delivery, reason) if reason else None
        if reason is None or needed is None:
            return None
        assert needed.delivery.contract and needed.delivery.signer
        contract = contracts[needed.delivery.contract]
        following = await _try_next_channel(services, tx, contract, needed, now)
        if contract.stuck_reason == STEP_FAILED:
            await show_recovered(tx, contract.id, needed.delivery.signer)
        return following


async def _check_copy(tx: Transaction, contract: Contract, delivery: Delivery) -> None:
    """Tell staff of a copy that did not arrive. There is no other channel: only an e-mail address is known."""
    if delivery.state in (DeliveryState.SENT, DeliveryState.DELIVERED):
        return
    reason = delivery.failure_kind or delivery.state.value
    number = number_in_key(delivery.key)
    facts = {"copy": number, "delivery": str(delivery.id), "reason": reason}
    await tx.record.append(contract.id, contract.campus, "copy-not-sent", "hub", facts)
    copies = copies_of(contract)
    if copies:  # empty once the signer's data are erased; then staff have no copy to send either
        await add_lost_copy_task(tx, contract, (number, copies[number]), reason)


@dataclass(frozen=True)
class _NeededMessage:
    """A message that is still needed, and why it has to go through the next channel. The contract, signer and task of
    `delivery` still wait for it.

    `shares`: the contracts that still wait, if the message is about several.
    """

    delivery: Delivery
    reason: str
    shares: tuple[DeliveryItem, ...] = ()


async def _find_needed(tx: Transaction, delivery: Delivery, reason: str) -> _NeededMessage | None:
    """Return the part of a message that is still needed, or None if there is none.

    If the message is about several contracts and that of `delivery` was signed meanwhile, the first one still waiting
    takes its place. A signer who opened one of them since the message was written has seen them all.
    """
    shares = await tx.shares.list_of_delivery(delivery.id)
    own = [delivery.task] if delivery.task and delivery.purpose in PLANNED else []
    tasks = {task: await tx.tasks.get(task) for task in [share.task for share in shares] or own}
    if any(task.opened_at is not None and task.opened_at >= delivery.created_at for task in tasks.values()):
        return None
    if not shares:
        return (
            _NeededMessage(delivery, reason) if all(_needs_message(task, reason) for task in tasks.values()) else None
        )
    waiting = [share for share in shares if _needs_message(tasks[share.task], reason)]
    if not waiting:
        return None
    lead = next((share for share in waiting if share.task == delivery.task), waiting[0])
    led = replace(delivery, task=lead.task, contract=lead.contract, signer=lead.signer)
    return _NeededMessage(led, reason, tuple(waiting))


def _needs_message(task: SigningTask, reason: str) -> bool:
    """Return whether the signer still needs a message about this task.

    If the message was merely not opened, a signer who has opened the task before knows about it. If the message failed,
    the signer was not reminded and needs another message.
    """
    return settled(task) is None and (reason != NOT_OPENED or not task.opened)


async def _later(services: Services, delivery_id: UUID, wait: timedelta) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.deliveries.plan_check(delivery_id, tx.planning_now + wait)


@dataclass(frozen=True)
class _Unreached:
    """A message that did not reach its signer, with its signer and contract."""

    contract: Contract
    signer: Signer
    needed: _NeededMessage


async def _try_next_channel(
    services: Services, tx: Transaction, contract: Contract, needed: _NeededMessage, now: datetime
) -> UUID | None:
    delivery, reason = needed.delivery, needed.reason
    assert delivery.signer
    signer = await tx.contracts.get_signer(delivery.signer)
    gone = [each for each in await tx.deliveries.list_of_contract(contract.id) if _intent(each) == _intent(delivery)]
    if any(each.rung > delivery.rung for each in gone):
        return None  # the attempt by a later channel is checked on its own
    unreached = _Unreached(contract, signer, needed)
    match await _may_send_next(services, tx, unreached, now):
        case Drop():
            return None  # the signer's new phone number gets its own message
        case Wait(until):
            await tx.deliveries.plan_check(delivery.id, until)
            return None
    if reason == NO_RECEIPT and (provider := services.messaging.router.providers.get(delivery.provider)):
        await services.messaging.router.record_overdue_receipt(tx, provider)
    channel = await _find_untried_channel(services, tx, unreached, {each.channel for each in gone})
    if channel is None:
        await _tell_unreached(tx, contract, delivery, reason, now)
        return None
    return await _write_next_attempt(services, tx, unreached, channel)


async def _find_reason(services: Services, tx: Transaction, delivery: Delivery) -> str | None:
    """Return why the next channel has to be tried, or None if that is not necessary (any more)."""
    if delivery.code and not await tx.sessions.is_code_live(delivery.code, tx.now):
        return None
    if delivery.state in (DeliveryState.REFUSED, DeliveryState.UNDELIVERED):
        return delivery.failure_kind or delivery.state.value
    if delivery.state in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
        return DeliveryState.UNKNOWN.value if delivery.provider else NO_PROVIDER
    provider = services.messaging.router.providers.get(delivery.provider)
    if delivery.state is DeliveryState.SENT and provider and provider.channel.rules.receipts:
        return NO_RECEIPT
    return NOT_OPENED if delivery.purpose in PLANNED else None


async def _may_send_next(services: Services, tx: Transaction, unreached: _Unreached, now: datetime) -> Verdict:
    """Return whether the next message may be sent now. Daily windows do not apply to codes and to messages that answer
    a signer's act."""
    contract, signer, delivery = unreached.contract, unreached.signer, unreached.needed.delivery
    case = MessageCase(
        delivery.purpose,
        ZoneInfo(signer.zone),
        spread_of(delivery.task or delivery.id),
        deadline=contract.deadline,
        to=delivery.to,
        phone=signer.phone,
    )
    return may_send(case, delivery.channel, await get_policy(tx, services.messaging.policy, contract), now)


def _intent(delivery: Delivery) -> str:
    return delivery.intent or delivery.key


async def _find_untried_channel(
    services: Services, tx: Transaction, unreached: _Unreached, tried: Collection[str]
) -> str | None:
    purpose = unreached.needed.delivery.purpose
    first = (await get_policy(tx, services.messaging.policy, unreached.contract)).through(purpose)
    ladder = await get_channels(services, tx, unreached.signer, purpose, first)
    return next((channel for channel in ladder if channel not in tried), None)


async def _write_next_attempt(services: Services, tx: Transaction, unreached: _Unreached, channel: str) -> UUID | None:
    contract, signer, needed = unreached.contract, unreached.signer, unreached.needed
    delivery, reason = needed.delivery, needed.reason
    variables = delivery.variables
    if needed.shares:
        left = [await tx.contracts.get(share.contract) for share in needed.shares]
        deadlines = [each.deadline for each in left]
        variables = dict(variables) | summarise_contracts(deadlines, tx.planning_now, signer.zone, signer.language)
    same = (delivery.task, delivery.code, needed.shares)
    attempt = Attempt(contract, signer, Purpose(delivery.purpose), channel, _intent(delivery), variables, *same)
    following = await write_attempt(services, tx, replace(attempt, rung=delivery.rung + 1))
    if following is None:
        return None
    if reason == NO_PROVIDER:  # no provider ever had the first attempt, and none should take it now
        await tx.deliveries.report(
            delivery.id, StateReport(DeliveryState.WITHDRAWN, failure=reason), following.created_at
        )
    tasks = [share.task for share in needed.shares] or [each for each in [delivery.task] if each]
    at = tx.planning_now
    for each in tasks:
        task = await tx.tasks.get(each)
        await tx.reminders.note(
            task, LedgerNote("sent", reason=f"{delivery.channel}-{reason}", delivery=following.id), at
        )
    return following.id


async def _tell_unreached(tx: Transaction, contract: Contract, delivery: Delivery, reason: str, now: datetime) -> None:
    """Create a staff task because no channel is left. For a missing receipt or a waiting message, first wait a day."""
    if reason in (NO_RECEIPT, NO_PROVIDER) or (reason == DeliveryState.UNKNOWN and delivery.not_before != NEVER):
        tomorrow = ((delivery.state_at if reason == NO_RECEIPT else None) or delivery.created_at) + OPEN_TIMEOUT
        if now < tomorrow:
            await tx.deliveries.plan_check(delivery.id, tomorrow)
            return
    if reason == NOT_OPENED and not await _justifies_task(tx, delivery):
        return
    if delivery.purpose in (Purpose.CODE, *ANSWERS):
        return  # the signer is at the page, which says what else they can do
    text = f"{NOT_REACHED}\n{delivery.channel}\n{reason}"
    if reason == NOT_OPENED:
        text = f"{NONE_OPENED}\n{delivery.channel}"
    await tx.staff_tasks.add_task_once(
        StaffTask(uuid4(), UNREACHED, text, contract.campus, tx.now, contract.id, delivery.signer)
    )


async def _justifies_task(tx: Transaction, delivery: Delivery) -> bool:
    """Return whether unopened messages justify a staff task. The signer gets reminders in any case.

    They do if UNOPENED_MESSAGES were not opened or all channels were tried: once for each signing task, however many
    reminders follow, and again with the last call.
    """
    if delivery.purpose == Purpose.LAST_CALL or delivery.task is None or delivery.signer is None:
        return delivery.purpose == Purpose.LAST_CALL
    since = (await tx.tasks.get(delivery.task)).invited_at or delivery.created_at
    if await tx.staff_tasks.has_had_task(delivery.signer, UNREACHED, since):
        return False
    sent = [at for at in await tx.deliveries.list_sent_for_task(delivery.task) if at >= since]
    return delivery.rung > 0 or len(sent) >= UNOPENED_MESSAGES
