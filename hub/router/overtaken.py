"""What happened while a message waited: why it should not go out any more, or not now."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from hub.model.delivery import PHONE_CHANGED, PLANNED, Delivery
from hub.model.message import ANSWERS, Purpose
from hub.model.reminder import into_window, on_every_day, spread_of
from hub.model.reminder_policy import ReminderPolicy
from hub.model.signer import TaskState
from hub.router.policy import policy_of
from hub.store.unit import Unit


async def morning(unit: Unit, delivery: Delivery, policy: ReminderPolicy) -> datetime | None:
    """When the window opens again, for what we send by ourselves; None: it may go now. Whether a closed day is one for
    messages was decided when this one was written."""
    if delivery.purpose not in PLANNED or delivery.signer is None:
        return None
    now = await unit.planning_now()
    zone = ZoneInfo((await unit.contracts.signer(delivery.signer)).zone)
    if delivery.contract:
        policy = await policy_of(unit, policy, await unit.contracts.get(delivery.contract))
    opening = into_window(on_every_day(policy), now, zone, spread_of(delivery.task or delivery.id))
    return opening if opening > now else None


async def obsolete(unit: Unit, delivery: Delivery) -> str | None:
    """Why a message that did not get out before should not go out any more."""
    if delivery.code and not await unit.sessions.code_is_live(delivery.code, unit.now):
        return "the code is no longer valid"
    if delivery.signer and delivery.channel != "email":
        if (await unit.contracts.signer(delivery.signer)).phone != delivery.to:
            return PHONE_CHANGED
    if delivery.task and delivery.purpose in PLANNED:
        task = await unit.tasks.get(delivery.task)
        if task.state is not TaskState.OPEN:
            return "signed-meanwhile" if task.state is TaskState.SIGNED else "closed"
        if task.paused:
            return "paused"  # whoever got messages at this number said that they are not meant
    return None


async def unwanted(unit: Unit, delivery: Delivery) -> bool:
    """Whether the number has said stop meanwhile. Codes and answers go all the same."""
    if delivery.purpose == Purpose.CODE or delivery.purpose in ANSWERS:
        return False
    return delivery.channel in await unit.opt_outs.channels(delivery.to)
