"""May this message go out now? One answer for due steps, for messages that waited, for the next way and for reminders
by hand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from hub.model.contract.signer import SigningTask, TaskState
from hub.model.messaging.delivery import BY_DAY, PHONE_CHANGED, PLANNED
from hub.model.messaging.message import ANSWERS, Purpose
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    allowed_today,
    deferred_by_cap,
    into_window,
    manual_reminder_allowed,
    on_every_day,
    over_the_rest,
)

# An e-mail address does not belong to a number.
NOT_OF_A_NUMBER = "email"
# For whoever sees later by which channel the message goes.
ANY_CHANNEL = "any"


class Reason(StrEnum):
    """Why a message does not go out, or not yet. The words stand in the reminder ledger and at deliveries, and stay as
    they are."""

    QUIET_HOURS = "quiet-hours"
    CLOSED_DAY = "closed-day"
    CAP = "cap"
    OVERDUE = "overdue"
    TOO_SOON = "too-soon"
    BUDGET = "budget"
    SIGNED_MEANWHILE = "signed-meanwhile"
    CLOSED = "closed"
    PAUSED = "paused"
    OPTED_OUT = "opted-out"
    NO_CHANNEL = "no-channel"
    PHONE_CHANGED = PHONE_CHANGED
    CODE_EXPIRED = "code-expired"


@dataclass(frozen=True)
class Send:
    """It may go out now."""


@dataclass(frozen=True)
class Wait:
    """It may go out at `until`, if nothing else is in its way then. `detail`: the reason in a sentence, if there is
    one."""

    until: datetime
    reason: Reason
    detail: str = ""


@dataclass(frozen=True)
class Drop:
    """It is not to go out any more."""

    reason: Reason


@dataclass(frozen=True)
class ByHand:
    """What the limits of reminders by hand count: the last message to the person, and those by hand about this task."""

    last_message_at: datetime | None
    manual_times: Sequence[datetime]


@dataclass(frozen=True)
class MessageCase:
    """One message, and what has to be known to decide about it.

    `zone` is its person's, `spread` the share of a window that is its own. `tasks`: what it speaks of; none: it asks
    nobody to sign. `deadline`: when it is in vain. `answers_an_act`: somebody waits for it, so that it goes at any hour
    and whatever went out today. `sent_today`: planned messages to the person. `crowded`: it is late, as many others
    are, since nothing ran for a while. `to` and `phone`: the address of a message that was written before, and the
    person's number now. `silent`: channels by which the number wants to hear nothing. `by_hand`: staff ask for it.
    """

    purpose: str
    zone: ZoneInfo
    spread: float
    tasks: Sequence[SigningTask] = ()
    deadline: datetime | None = None
    answers_an_act: bool = False
    sent_today: int = 0
    crowded: bool = False
    to: str | None = None
    phone: str | None = None
    silent: Collection[str] = ()
    code_is_live: bool = True
    by_hand: ByHand | None = None


Verdict = Send | Wait | Drop


def may_send(case: MessageCase, channel: str | None, policy: ReminderPolicy, now: datetime) -> Verdict:
    """Return whether the message may go out by this channel now; if not, until when it waits, or that it is dropped.

    `channel` None: there is no way to the person. What is not to go out at all is never put off.
    """
    if reason := _dropped(case, channel):
        return Drop(reason)
    if case.by_hand and (wait := _by_hand(case, case.by_hand, policy, now)):
        return wait
    if case.answers_an_act or case.purpose not in BY_DAY:
        return Send()
    opening = opens_at(case, policy, now)
    if opening > now:
        is_closed = now.astimezone(case.zone).date() in policy.closed_days
        return Wait(opening, Reason.CLOSED_DAY if is_closed else Reason.QUIET_HOURS)
    if case.purpose in PLANNED and not allowed_today(policy, case.sent_today):
        return Wait(_not_in_vain(case, policy, now, deferred_by_cap), Reason.CAP)
    later = _not_in_vain(case, policy, now, over_the_rest)
    if case.crowded and (case.deadline is None or later < case.deadline):
        return Wait(later, Reason.OVERDUE)
    return Send()


def opens_at(case: MessageCase, policy: ReminderPolicy, now: datetime) -> datetime:
    """Return when hours and days allow the message: `now`, or a moment in the next window."""
    return _not_in_vain(case, policy, now, into_window)


def settled(task: SigningTask) -> Reason | None:
    """Return why nobody has to hear of this task now; None: they do."""
    if task.state is not TaskState.OPEN:
        return Reason.SIGNED_MEANWHILE if task.state is TaskState.SIGNED else Reason.CLOSED
    # Whoever got messages at this number may have said that they are not meant.
    return Reason.PAUSED if task.paused else None


def _dropped(case: MessageCase, channel: str | None) -> Reason | None:
    if not case.code_is_live:
        return Reason.CODE_EXPIRED
    if case.to is not None and channel != NOT_OF_A_NUMBER and case.to != case.phone:
        return Reason.PHONE_CHANGED
    reasons = [settled(task) for task in case.tasks]
    if reasons and None not in reasons:
        return reasons[0]
    if case.purpose == Purpose.CODE or case.purpose in ANSWERS:
        return None
    if channel is None:
        return Reason.OPTED_OUT if case.silent else Reason.NO_CHANNEL
    return Reason.OPTED_OUT if channel in case.silent else None


def _by_hand(case: MessageCase, by_hand: ByHand, policy: ReminderPolicy, now: datetime) -> Wait | None:
    verdict = manual_reminder_allowed(
        policy,
        now=now,
        last_message_at=by_hand.last_message_at,
        manual_times_today=by_hand.manual_times,
        zone=case.zone,
    )
    return None if verdict.allowed else Wait(verdict.earliest, Reason.TOO_SOON, verdict.reason)


def _not_in_vain(
    case: MessageCase,
    policy: ReminderPolicy,
    now: datetime,
    when: Callable[[ReminderPolicy, datetime, ZoneInfo, float], datetime],
) -> datetime:
    """Return the moment on an open day, or on a closed one where the deadline comes before the next open one."""
    moment = when(policy, now, case.zone, case.spread)
    if case.deadline is None or moment < case.deadline or not policy.closed_days:
        return moment
    return when(on_every_day(policy), now, case.zone, case.spread)
