"""What happened while a message waited: why it should not go out any more, or not now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from channels import Shape
from hub.model.contract.signer import SigningTask, TaskState
from hub.model.messaging.delivery import BY_DAY, PHONE_CHANGED, PLANNED, Delivery
from hub.model.messaging.message import ANSWERS, Purpose, told_of
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import SkipReason, into_window, on_every_day, spread_of
from hub.router.policy import policy_of
from hub.router.rendering import Wording
from hub.store.transaction import Transaction

# So long after they asked for it somebody waits for an invitation, at any hour: a call that failed is made again.
AWAITED = timedelta(minutes=10)


async def morning(tx: Transaction, delivery: Delivery, policy: ReminderPolicy) -> datetime | None:
    """When the window opens again, for what we send by ourselves; None: it may go now. Whether a closed day is one for
    messages was decided when this one was written."""
    if delivery.purpose not in BY_DAY or delivery.signer is None:
        return None
    now = tx.planning_now
    if delivery.purpose in (Purpose.INVITATION, Purpose.YOUR_TURN) and now - delivery.created_at < AWAITED:
        return None
    zone = ZoneInfo((await tx.contracts.signer(delivery.signer)).zone)
    if delivery.contract:
        policy = await policy_of(tx, policy, await tx.contracts.get(delivery.contract))
    opening = into_window(on_every_day(policy), now, zone, spread_of(delivery.task or delivery.id))
    return opening if opening > now else None


async def obsolete(tx: Transaction, delivery: Delivery) -> str | None:
    """Why a message that did not get out before should not go out any more."""
    if delivery.code and not await tx.sessions.code_is_live(delivery.code, tx.now):
        return "the code is no longer valid"
    if delivery.signer and delivery.channel != "email":
        if (await tx.contracts.signer(delivery.signer)).phone != delivery.to:
            return PHONE_CHANGED
    if delivery.task and delivery.purpose in PLANNED:
        told = [share.task for share in await tx.shares.of(delivery.id)] or [delivery.task]
        reasons = [_settled(await tx.tasks.get(task)) for task in told]
        return None if None in reasons else reasons[0]
    return None


def _settled(task: SigningTask) -> str | None:
    if task.state is not TaskState.OPEN:
        return (SkipReason.SIGNED_MEANWHILE if task.state is TaskState.SIGNED else SkipReason.CLOSED).value
    # Whoever got messages at this number may have said that they are not meant.
    return SkipReason.PAUSED.value if task.paused else None


async def as_it_is_now(tx: Transaction, delivery: Delivery, wording: Wording) -> Delivery:
    """A message for several contracts, some of which were signed while it waited, speaks of the others alone."""
    shares = await tx.shares.of(delivery.id)
    left = [each for each in shares if _settled(await tx.tasks.get(each.task)) is None]
    if not left or len(left) == len(shares):
        return delivery
    deadlines = [(await tx.contracts.get(each.contract)).deadline for each in left]
    zone, now = (await tx.contracts.signer(left[0].signer)).zone, tx.planning_now
    variables = dict(delivery.variables) | told_of(deadlines, now, zone, delivery.language)
    shape = Shape(delivery.shape) if delivery.shape else None
    text = wording.kept(delivery.purpose, delivery.channel, delivery.language, shape, variables)
    await tx.deliveries.say(delivery.id, variables, text)
    return replace(delivery, variables=variables, text=text)


async def unwanted(tx: Transaction, delivery: Delivery) -> bool:
    """Whether the number has said stop meanwhile. Codes and answers go all the same."""
    if delivery.purpose == Purpose.CODE or delivery.purpose in ANSWERS:
        return False
    return delivery.channel in await tx.opt_outs.channels(delivery.to)
