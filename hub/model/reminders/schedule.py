"""Schedule: when the next message to a signer is due, from the invitation to the deadline. Pure.

Every open signing task has exactly one next step. The plan is a function of the policy, the time of the invitation and
the deadline, so each worker computes the same plan from the current data. Days are counted in the signer's local time
(10:00 stays 10:00 when summer time begins). All datetimes passed in or returned are aware; those returned are in UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import count
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.model.reminders.policy import ReminderPolicy

# Minimum time between two planned messages of one task, also after an outage.
APART = timedelta(hours=12)
# The part of a window over which messages are spread. A message planned for the very end could be late, and so miss the
# window, every day.
LATEST = 0.9
MESSAGE_JUST_LEFT = "The last message to this person was sent a short while ago."
JUST_REMINDED = "The last manual reminder was sent a short while ago."
ALL_OF_TODAY = "All manual reminders for today have been sent."

FirstSend = Literal["now", "policy", "none"]


class StepKind(StrEnum):
    """Kind of an automatic step. All except the expiry are messages."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    LAST_CALL = "last-call"
    EXPIRY = "expiry"


@dataclass(frozen=True)
class NextStep:
    """The next step of a signing task, due at `due_at` (UTC).

    `number`: position of a reminder in the plan, from 1; 0 for other kinds. Reminders missed in an outage leave a gap.
    A number is never used twice. So after a change to a policy with fewer reminders, the number can be higher than the
    position.
    """

    kind: StepKind
    number: int
    due_at: datetime


@dataclass(frozen=True)
class ManualVerdict:
    """Whether staff may send a manual reminder now; if not, the earliest time and the reason (a sentence)."""

    allowed: bool
    earliest: datetime
    reason: str = ""


def spread_of(task: UUID) -> float:
    """Return the task's position within a window, in [0, LATEST): constant for a task, evenly spread over tasks."""
    return int.from_bytes(hashlib.sha256(task.bytes).digest()[:6], "big") / 2**48 * LATEST


def first_step(plan: ReminderPlan, send: FirstSend) -> NextStep:
    """Return the first step of a task that has just been opened; the plan begins at that moment.

    `send`: "now" invites at once, at any hour, since it replies to somebody's act. "policy" invites as soon as the
    window is open. "none": the school hands out the link itself, so the first message is the first reminder, a day
    later. If no message is possible before the deadline, the step is the expiry.
    """
    opened_at = plan.invited_at
    if opened_at >= plan.deadline:
        return plan.expiry
    if send == "none":
        return plan.after(None, now=opened_at, free_from=opened_at)
    due = opened_at.astimezone(UTC) if send == "now" else plan.in_any_window(opened_at)
    return plan.expiry if due is None else NextStep(StepKind.INVITATION, 0, due)


def following_step(plan: ReminderPlan, *, done: NextStep, now: datetime) -> NextStep:
    """Return the step after `done`, which was carried out at `now`. Reminders missed meanwhile are not made up for.

    Messages are due after `now` and before the deadline, reminders at least `APART` before the last call. Only the
    expiry follows the last call. Raises ValueError if `done` is the expiry.
    """
    if done.kind is StepKind.EXPIRY:
        raise ValueError("nothing follows the expiry")
    if done.kind is StepKind.LAST_CALL:
        return plan.expiry
    return plan.after(done, now=now, free_from=now + APART)


def replanned(
    plan: ReminderPlan, *, old: NextStep, done: NextStep | None, now: datetime, new_policy: bool = False
) -> NextStep:
    """Return the step that replaces `old` after a change of the deadline, or of the policy (`new_policy`).

    `done`: the last message sent, if any. New deadline: a pending invitation or reminder stays, even if overdue, unless
    the deadline is now too near for it; after a last call, the reminders continue. New policy: steps that are not yet
    due are moved, and no reminder follows a last call.
    """
    if new_policy:
        return plan.instead_of(old, done, now)
    if old.kind is StepKind.INVITATION and old.due_at < plan.deadline:
        return old
    if old.kind is StepKind.REMINDER and plan.has_room(old.due_at):
        return old
    return plan.after(done, now=now, free_from=done.due_at + APART if done else now)


def postponed(plan: ReminderPlan, step: NextStep, until: datetime) -> NextStep:
    """Return the step moved to `until` (from `into_window` or `deferred_by_cap`), or the expiry if the deadline is
    earlier. A reminder less than `APART` before the last call, or after it, becomes the last call.
    """
    if until >= plan.deadline:
        return plan.expiry
    last_call = plan.last_call_at
    if step.kind is StepKind.REMINDER and last_call is not None and last_call - until < APART:
        return NextStep(StepKind.LAST_CALL, 0, max(last_call, until).astimezone(UTC))
    return replace(step, due_at=until.astimezone(UTC))


def brought_forward(old: NextStep, *, done: NextStep | None, due_at: datetime) -> NextStep:
    """Return the next message, due at `due_at` or earlier.

    Before a last call or the expiry this is an additional reminder.
    """
    if old.due_at <= due_at and old.kind is not StepKind.EXPIRY:
        return old
    if old.kind in (StepKind.INVITATION, StepKind.REMINDER):
        return replace(old, due_at=due_at)
    return NextStep(StepKind.REMINDER, done.number + 1 if done else 1, due_at)


def on_every_day(policy: ReminderPolicy) -> ReminderPolicy:
    """Return the policy without closed days, for messages that could otherwise not be sent at all."""
    return policy.with_closed_days(())


def into_window(policy: ReminderPolicy, moment: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """Return `moment` if the window is open then, otherwise a moment in the next window.

    `spread` in [0, 1) is the position within that window, so that deferred messages are not all sent at once.
    """
    opening, closing = _window(policy, moment, zone)
    return moment.astimezone(UTC) if opening <= moment else _share(opening, closing, spread)


def deferred_by_cap(policy: ReminderPolicy, now: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """Return when a message held back by the daily cap may be sent: in tomorrow's window, in the signer's time zone."""
    _, tomorrow = local_day(now, zone)
    return _share(*_window(policy, tomorrow, zone), spread)


def spread_over_rest(policy: ReminderPolicy, now: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """Return a moment in the rest of the window that is open now."""
    _, closing = _window(policy, now, zone)
    return _share(now.astimezone(UTC), closing, spread)


def allowed_today(policy: ReminderPolicy, sent_today: int) -> bool:
    """Return whether a person who got `sent_today` messages in their `local_day` may get another one."""
    return sent_today < policy.messages_per_day


def local_day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the beginning (inclusive) and end (exclusive) of the current day in `zone`, in UTC.

    They are 23 or 25 hours apart when the clocks change.
    """
    date = now.astimezone(zone).date()
    begins, ends = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (date, date + timedelta(days=1)))
    return begins, ends


def manual_reminder_allowed(
    policy: ReminderPolicy,
    *,
    now: datetime,
    last_message_at: datetime | None,
    manual_times_today: Sequence[datetime],
    zone: ZoneInfo,
) -> ManualVerdict:
    """Return whether staff may send this signer a manual reminder now.

    Only times within the signer's current day count towards the daily limit. If several limits apply, the verdict names
    the one that ends last.
    """
    begins, ends = local_day(now, zone)
    waits = [(now, "")]
    if last_message_at is not None:
        waits.append((last_message_at + policy.manual_after_message, MESSAGE_JUST_LEFT))
    if manual_times_today:
        waits.append((max(manual_times_today) + policy.manual_apart, JUST_REMINDED))
    if sum(begins <= sent < ends for sent in manual_times_today) >= policy.manual_per_day:
        waits.append((ends, ALL_OF_TODAY))
    earliest, reason = max(waits, key=lambda wait: wait[0])
    return ManualVerdict(earliest <= now, earliest.astimezone(UTC), reason)


@dataclass(frozen=True)
class ReminderPlan:
    """All messages of one task between its invitation and its deadline.

    `invited_at`: before the invitation is sent, when the task was opened. `spread`: see `spread_of`.
    """

    policy: ReminderPolicy
    invited_at: datetime
    deadline: datetime
    zone: ZoneInfo
    spread: float

    @property
    def expiry(self) -> NextStep:
        return NextStep(StepKind.EXPIRY, 0, self.deadline.astimezone(UTC))

    @cached_property
    def last_call_at(self) -> datetime | None:
        """When the last call is due; None if there is no time for one. Never earlier than the first reminder.

        A time in the evening is moved to the same day's window, because the next day's window opens too late for a
        deadline at the end of a day.
        """
        counted_back = self._add_on_local_clock(self.deadline, -self.policy.last_call_before)
        first_reminder = self._add_on_local_clock(self.invited_at, self.policy.reminders_after[0])
        begins, _ = local_day(counted_back, self.zone)
        if counted_back.astimezone(self.zone).time() >= self.policy.window_closes:
            counted_back = begins
        day_before = self._add_on_local_clock(begins, timedelta(days=-1))
        return self.in_any_window(max(counted_back, first_reminder)) or self.in_any_window(
            max(day_before, first_reminder)
        )

    def after(self, done: NextStep | None, *, now: datetime, free_from: datetime, skips: bool = True) -> NextStep:
        """Return the first step after `now` and after `done`, with a new number and no message before `free_from`.

        `skips`: if `done` was brought forward, skip the reminder in whose place it was sent.
        """
        last_call = self.last_call_at
        if last_call is not None and last_call <= now:
            return self.expiry
        passed = max(now, done.due_at) if done else now
        following = self._place_after(passed)
        if done is not None and skips and self._was_brought_forward(done, following):
            following += 1
        while self.has_room(due := self._reminder_at(following)):
            if due > passed and due >= free_from:
                return NextStep(StepKind.REMINDER, max(following, done.number + 1 if done else 1), due)
            following += 1
        due_at = None if last_call is None else self.in_any_window(max(last_call, free_from))
        return self.expiry if due_at is None else NextStep(StepKind.LAST_CALL, 0, due_at)

    def _place_after(self, moment: datetime) -> int:
        """Return the position of this policy's first reminder after that moment.

        The number of the last reminder cannot be used: it may come from a policy with more or fewer reminders.
        """
        return next(place for place in count(1) if self._reminder_at(place) > moment)

    def _was_brought_forward(self, done: NextStep, following: int) -> bool:
        """Return whether `done` was sent early in place of `following`: it has the same number, and came at least
        `APART` after the reminder before."""
        before = self._reminder_at(following - 1) if following > 1 else self.invited_at
        return done.number == following and done.due_at - before >= APART

    def has_room(self, due: datetime) -> bool:
        """Return whether a reminder may be due then: before the deadline and at least `APART` before the last call."""
        last_call = self.last_call_at
        return due < self.deadline and (last_call is None or last_call - due >= APART)

    def instead_of(self, old: NextStep, done: NextStep | None, now: datetime) -> NextStep:
        """Return the step under this policy that replaces `old`, which was planned under another policy."""
        if old.due_at <= now and old.due_at < self.deadline:
            return old  # already due: the worker runs it
        if done is None and old.kind is StepKind.INVITATION:
            due = self.in_any_window(max(now, self.invited_at))
            return self.expiry if due is None else NextStep(StepKind.INVITATION, 0, due)
        if done is not None and done.kind is StepKind.LAST_CALL:
            return self.expiry
        free_from = done.due_at + APART if done else now
        # Keep a reminder that is the same under this policy: without `skips`, one sent early could be repeated.
        if old.kind is StepKind.REMINDER and old == self.after(done, now=now, free_from=free_from):
            return old
        return self.after(done, now=now, free_from=free_from, skips=False)

    def in_any_window(self, moment: datetime) -> datetime | None:
        """Return a moment as `in_window` does, but on a closed day if no open day is left before the deadline."""
        return self.in_window(moment) or replace(self, policy=on_every_day(self.policy)).in_window(moment)

    def in_window(self, moment: datetime) -> datetime | None:
        """Return a moment as `into_window` does, but in the part of the window before the deadline; None if there is
        no such part."""
        opening, closing = _window(self.policy, moment, self.zone)
        if max(opening, moment) >= self.deadline:
            return None
        if opening <= moment:
            return moment.astimezone(UTC)
        return _share(opening, min(closing, self.deadline), self.spread)

    def _reminder_at(self, number: int) -> datetime:
        offsets = self.policy.reminders_after
        repeats = max(0, number - len(offsets))
        offset = offsets[min(number, len(offsets)) - 1] + repeats * self.policy.repeat_every
        return into_window(self.policy, self._add_on_local_clock(self.invited_at, offset), self.zone, self.spread)

    def _add_on_local_clock(self, moment: datetime, offset: timedelta) -> datetime:
        """Return the moment plus the offset, at the same local hour if the clocks change in between."""
        return (moment.astimezone(self.zone) + offset).astimezone(UTC)


def _window(policy: ReminderPolicy, moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the opening and closing of the window that is open at `moment`, else of the next one on an open day."""
    date = moment.astimezone(zone).date()
    closing = datetime.combine(date, policy.window_closes, zone).astimezone(UTC)
    while closing <= moment or date in policy.closed_days:
        date += timedelta(days=1)
        closing = datetime.combine(date, policy.window_closes, zone).astimezone(UTC)
    return datetime.combine(date, policy.window_opens, zone).astimezone(UTC), closing


def _share(opening: datetime, closing: datetime, spread: float) -> datetime:
    """Return the moment at the position `spread` of the window, rounded down to the second, always before closing."""
    if not 0 <= spread < 1:
        raise ValueError(f"spread: has to be in [0, 1), not {spread}")
    seconds = int((closing - opening).total_seconds() * spread)
    return opening + timedelta(seconds=seconds)
