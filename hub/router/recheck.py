"""Check a message again after it has waited: it may be obsolete or unwanted, or have to wait for the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from channels import Shape
from hub.model.contract.signer import SigningTask
from hub.model.messaging.delivery import PLANNED, Delivery
from hub.model.messaging.message import ANSWERS, Purpose, summarise_contracts
from hub.model.reminders.may_send import MessageCase, Verdict, may_send, settled
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import on_every_day, spread_of
from hub.router.policy import get_policy
from hub.router.rendering import Renderer
from hub.store.transaction import Transaction

# The reader of a younger invitation is still waiting for it, so it is tried again at any hour.
INVITATION_AWAITED_FOR = timedelta(minutes=10)
UTC = ZoneInfo("UTC")


async def recheck(tx: Transaction, delivery: Delivery, policy: ReminderPolicy) -> Verdict:
    """Return whether a message that has not been sent yet may be sent now. `policy`: the configured policy."""
    now = tx.planning_now
    signer = await tx.contracts.get_signer(delivery.signer) if delivery.signer else None
    contract = await tx.contracts.get(delivery.contract) if delivery.contract and signer else None
    is_awaited = now - delivery.created_at < INVITATION_AWAITED_FOR
    case = MessageCase(
        delivery.purpose,
        ZoneInfo(signer.zone) if signer else UTC,
        spread_of(delivery.task or delivery.id),
        tasks=await _tasks_of(tx, delivery),
        answers_an_act=signer is None or (delivery.purpose in (Purpose.INVITATION, Purpose.YOUR_TURN) and is_awaited),
        to=delivery.to if signer else None,
        phone=signer.phone if signer else None,
        silent=await _silent(tx, delivery),
        code_is_live=not delivery.code or await tx.sessions.is_code_live(delivery.code, tx.now),
        replaced=contract is not None and contract.replaced_by is not None,
    )
    if contract:
        policy = await get_policy(tx, policy, contract)
    # Closed days do not matter here: they were considered when the message was written.
    return may_send(case, delivery.channel, on_every_day(policy), now)


async def _tasks_of(tx: Transaction, delivery: Delivery) -> list[SigningTask]:
    """Return the tasks that a planned message is about."""
    if not delivery.task or delivery.purpose not in PLANNED:
        return []
    told = [share.task for share in await tx.shares.list_of_delivery(delivery.id)] or [delivery.task]
    return [await tx.tasks.get(task) for task in told]


async def _silent(tx: Transaction, delivery: Delivery) -> frozenset[str]:
    """Return the channels that the number opted out of; none for codes and replies, which are sent regardless."""
    if delivery.purpose == Purpose.CODE or delivery.purpose in ANSWERS:
        return frozenset()
    return await tx.opt_outs.list_channels(delivery.to)


async def drop_signed_contracts(tx: Transaction, delivery: Delivery, renderer: Renderer) -> Delivery:
    """Return the message without those of its contracts that were signed while the message waited."""
    shares = await tx.shares.list_of_delivery(delivery.id)
    left = [each for each in shares if settled(await tx.tasks.get(each.task)) is None]
    if not left or len(left) == len(shares):
        return delivery
    deadlines = [(await tx.contracts.get(each.contract)).deadline for each in left]
    zone, now = (await tx.contracts.get_signer(left[0].signer)).zone, tx.planning_now
    variables = dict(delivery.variables) | summarise_contracts(deadlines, now, zone, delivery.language)
    shape = Shape(delivery.shape) if delivery.shape else None
    text = renderer.render_stored(delivery.purpose, delivery.channel, delivery.language, shape, variables)
    await tx.deliveries.change_text(delivery.id, variables, text)
    return replace(delivery, variables=variables, text=text)
