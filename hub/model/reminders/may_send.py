"""Decide whether a message may be sent now: for due steps, waiting messages, fallbacks, manual reminders. Pure."""

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
    spread_over_rest,
)

# The channel whose addresses do not depend on the phone number.
NOT_OF_A_NUMBER = "email"
# For callers that choose the channel later.
ANY_CHANNEL = "any"


class SkipReason(StrEnum):
    """Why a message is not sent, or not yet. The values are stored in the reminder ledger and in deliveries and must
    not change."""

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
    REPLACED = "replaced"


# Reasons that may no longer hold when the next window opens.
MAY_PASS = (SkipReason.PAUSED, SkipReason.OPTED_OUT, SkipReason.NO_CHANNEL)


@dataclass(frozen=True)
class Send:
    """The message may be sent now."""


@dataclass(frozen=True)
class Wait:
    """The message may be sent at `until`, if it is still allowed then. `detail`: the reason as a sentence, if any."""

    until: datetime
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True)
class Drop:
    """The message must not be sent any more."""

    reason: SkipReason


@dataclass(frozen=True)
class ByHand:
    """What limits manual reminders: the last message to the person, and the manual reminders about this task."""

    last_message_at: datetime | None
    manual_times: Sequence[datetime]


@dataclass(frozen=True)
class MessageCase:
    """One message, with everything needed to decide about it.

    `zone`: time zone of the person. `spread`: position within a window, in [0, 1).
    `tasks`: the tasks that the message is about; empty if it asks nobody to sign. `deadline`: when it becomes useless.
    `answers_an_act`: somebody is waiting for the message, so it may be sent at any hour, regardless of the daily cap.
    `sent_today`: number of planned messages to the person.
    `crowded`: the message is late together with many others, after an outage.
    `to`, `phone`: the address of a message that was written earlier, and the person's current number.
    `silent`: channels that the number opted out of. `by_hand`: set for a manual reminder.
    `replaced`: a new contract was issued in place of the one that the message is about.
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
    replaced: bool = False
    by_hand: ByHand | None = None


Verdict = Send | Wait | Drop


def may_send(case: MessageCase, channel: str | None, policy: ReminderPolicy, now: datetime) -> Verdict:
    """Return whether the message may be sent through this channel now, has to wait, or is dropped.

    `channel`: None if no channel reaches the person. A message that must never be sent is dropped, not postponed.
    """
    if reason := _dropped(case, channel):
        return Drop(reason)
    if case.by_hand and (wait := _by_hand(case, case.by_hand, policy, now)):
        return wait
    if case.answers_an_act or case.purpose not in BY_DAY:
        return Send()
    if wait := wait_for_window(case, policy, now):
        return wait
    if case.purpose in PLANNED and not allowed_today(policy, case.sent_today):
        return Wait(_before_deadline(case, policy, now, deferred_by_cap), SkipReason.CAP)
    later = _before_deadline(case, policy, now, spread_over_rest)
    if case.crowded and (case.deadline is None or later < case.deadline):
        return Wait(later, SkipReason.OVERDUE)
    return Send()


def may_send_step(case: MessageCase, channel: str | None, policy: ReminderPolicy, now: datetime) -> Verdict:
    """Decide about a due step as `may_send` does, with one exception.

    Outside the window, a step that would be dropped for one of MAY_PASS waits for the next window.
    """
    verdict = may_send(case, channel, policy, now)
    if isinstance(verdict, Drop) and verdict.reason in MAY_PASS:
        return wait_for_window(case, policy, now) or verdict
    return verdict


def wait_for_window(case: MessageCase, policy: ReminderPolicy, now: datetime) -> Wait | None:
    """Return the wait until the next window opens; None if the window is open, or if the message may be sent at any
    hour."""
    opening = now if case.answers_an_act else opens_at(case, policy, now)
    if opening <= now:
        return None
    is_closed = now.astimezone(case.zone).date() in policy.closed_days
    return Wait(opening, SkipReason.CLOSED_DAY if is_closed else SkipReason.QUIET_HOURS)


def opens_at(case: MessageCase, policy: ReminderPolicy, now: datetime) -> datetime:
    """Return `now` if the window is open, otherwise a moment in the next window."""
    return _before_deadline(case, policy, now, into_window)


def settled(task: SigningTask) -> SkipReason | None:
    """Return why no message about this task is needed now; None if a message is needed."""
    if task.state is not TaskState.OPEN:
        return SkipReason.SIGNED_MEANWHILE if task.state is TaskState.SIGNED else SkipReason.CLOSED
    # Reminders are paused when the person at this number says that they are not the signer.
    return SkipReason.PAUSED if task.paused else None


def _dropped(case: MessageCase, channel: str | None) -> SkipReason | None:
    if not case.code_is_live:
        return SkipReason.CODE_EXPIRED
    if case.to is not None and channel != NOT_OF_A_NUMBER and case.to != case.phone:
        return SkipReason.PHONE_CHANGED
    reasons = [settled(task) for task in case.tasks]
    if reasons and None not in reasons:
        return reasons[0]
    # Read next to the invitation to the new contract, "it has expired" would seem to be about the new one.
    if case.replaced and case.purpose == Purpose.EXPIRED:
        return SkipReason.REPLACED
    if case.purpose == Purpose.CODE or case.purpose in ANSWERS:
        return None
    if channel is None:
        return SkipReason.OPTED_OUT if case.silent else SkipReason.NO_CHANNEL
    return SkipReason.OPTED_OUT if channel in case.silent else None


def _by_hand(case: MessageCase, by_hand: ByHand, policy: ReminderPolicy, now: datetime) -> Wait | None:
    verdict = manual_reminder_allowed(
        policy,
        now=now,
        last_message_at=by_hand.last_message_at,
        manual_times_today=by_hand.manual_times,
        zone=case.zone,
    )
    return None if verdict.allowed else Wait(verdict.earliest, SkipReason.TOO_SOON, verdict.reason)


def _before_deadline(
    case: MessageCase,
    policy: ReminderPolicy,
    now: datetime,
    when: Callable[[ReminderPolicy, datetime, ZoneInfo, float], datetime],
) -> datetime:
    """Return a moment on an open day, or on a closed day if the deadline comes before the next open one."""
    moment = when(policy, now, case.zone, case.spread)
    if case.deadline is None or moment < case.deadline or not policy.closed_days:
        return moment
    return when(on_every_day(policy), now, case.zone, case.spread)
