"""ReminderPolicy: when the next message to a signer is due, from the invitation to the deadline.

Every open signing task has exactly one next step. The plan is a pure function of the policy, the moment of the
invitation and the deadline, so that any worker computes the same one, and nothing that sleeps can go stale. Days are
counted on the signer's clock on the wall (10:00 stays 10:00 when summer time begins); every moment that goes in or
out is an aware datetime in UTC.
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

# Planned messages of one task are never nearer to each other than this, not even after an outage.
APART = timedelta(hours=12)
# The last tenth of a window is left to what is late: a message whose share were its very end could miss it daily.
LATEST = 0.9
MESSAGE_JUST_LEFT = "The last message to this person left a short while ago."
JUST_REMINDED = "The last reminder by hand was a short while ago."
ALL_OF_TODAY = "All reminders by hand for today have been sent."

FirstSend = Literal["now", "policy", "none"]


class StepKind(StrEnum):
    """What happens next by itself. All but the expiry are messages."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    LAST_CALL = "last-call"
    EXPIRY = "expiry"


@dataclass(frozen=True)
class NextStep:
    """`number` is the reminder's place in the plan, from 1, and 0 for other kinds. Reminders that an outage swallowed
    leave a hole in the numbers. No number serves twice: after more reminders than a new policy has by then, it is ahead
    of the place.
    """

    kind: StepKind
    number: int
    due_at: datetime


@dataclass(frozen=True)
class ManualVerdict:
    """Whether staff may send a reminder by hand now; if not, from when on, and why, in plain words."""

    allowed: bool
    earliest: datetime
    reason: str = ""


def spread_of(task: UUID) -> float:
    """The task's own share of a window, from 0 to below LATEST: always the same, different for different tasks."""
    return int.from_bytes(hashlib.sha256(task.bytes).digest()[:6], "big") / 2**48 * LATEST


def first_step(plan: ReminderPlan, send: FirstSend) -> NextStep:
    """The step of a task that has just been opened; the plan begins at that moment.

    "now": the invitation at once, at whatever hour, since it answers somebody's act. "policy": the invitation as soon
    as the window allows. "none": the school hands out the link itself, so the first message is the first reminder, a
    day later. Where the deadline comes before the first message may go out, the step is the expiry.
    """
    opened_at = plan.invited_at
    if opened_at >= plan.deadline:
        return plan.expiry
    if send == "none":
        return plan.after(None, now=opened_at, free_from=opened_at)
    due = opened_at.astimezone(UTC) if send == "now" else plan.at_all(opened_at)
    return plan.expiry if due is None else NextStep(StepKind.INVITATION, 0, due)


def following_step(plan: ReminderPlan, *, done: NextStep, now: datetime) -> NextStep:
    """The step after `done`, which was dealt with at `now` (late, perhaps: what was missed meanwhile is not made up
    for).

    Messages come strictly after `now` and before the deadline, reminders no nearer than `APART` to the last call. The
    last call is followed by the expiry alone. Raises ValueError after the expiry, which nothing follows.
    """
    if done.kind is StepKind.EXPIRY:
        raise ValueError("nothing follows the expiry")
    if done.kind is StepKind.LAST_CALL:
        return plan.expiry
    return plan.after(done, now=now, free_from=now + APART)


def replanned(
    plan: ReminderPlan, *, old: NextStep, done: NextStep | None, now: datetime, new_policy: bool = False
) -> NextStep:
    """The step that takes the place of `old` under a new deadline. `done` is the last message sent, if there was one.

    An invitation or reminder still to be sent stays, also an overdue one, unless the new deadline is too near for it.
    After a last call the reminders go on, since it was not the last one after all. Under a new policy, what is not due
    yet moves, too; and a last call stays the last.
    """
    if new_policy:
        return plan.instead_of(old, done, now)
    if old.kind is StepKind.INVITATION and old.due_at < plan.deadline:
        return old
    if old.kind is StepKind.REMINDER and plan.has_room(old.due_at):
        return old
    return plan.after(done, now=now, free_from=done.due_at + APART if done else now)


def postponed(step: NextStep, *, until: datetime, deadline: datetime, last_call: datetime | None = None) -> NextStep:
    """The same step at another moment (from `into_window` or `deferred_by_cap`), or the expiry if the deadline comes
    first. A reminder that would come close to the `last_call`, or after it, becomes the last call.
    """
    if until >= deadline:
        return NextStep(StepKind.EXPIRY, 0, deadline.astimezone(UTC))
    if step.kind is StepKind.REMINDER and last_call is not None and last_call - until < APART:
        return NextStep(StepKind.LAST_CALL, 0, max(last_call, until).astimezone(UTC))
    return replace(step, due_at=until.astimezone(UTC))


def brought_forward(old: NextStep, *, done: NextStep | None, due_at: datetime) -> NextStep:
    """The next message, sooner: at `due_at` at the latest. Before a last call or the expiry it is one reminder more."""
    if old.due_at <= due_at and old.kind is not StepKind.EXPIRY:
        return old
    if old.kind in (StepKind.INVITATION, StepKind.REMINDER):
        return replace(old, due_at=due_at)
    return NextStep(StepKind.REMINDER, done.number + 1 if done else 1, due_at)


def last_call_at(
    policy: ReminderPolicy, *, invited_at: datetime, deadline: datetime, zone: ZoneInfo, spread: float
) -> datetime | None:
    """When the last call is due; None if there is no room for one."""
    return ReminderPlan(policy, invited_at, deadline, zone, spread).last_call_at


def before_deadline(
    policy: ReminderPolicy, moment: datetime, *, deadline: datetime, zone: ZoneInfo, spread: float
) -> datetime | None:
    """`moment` if the window is open then, otherwise a share of the next one that opens before the deadline, on a
    closed day where no open one is left. None: there is no such window.
    """
    return ReminderPlan(policy, moment, deadline, zone, spread).at_all(moment)


def on_every_day(policy: ReminderPolicy) -> ReminderPolicy:
    """The policy without closed days: for what would otherwise not go out at all."""
    return policy.with_closed_days(())


def into_window(policy: ReminderPolicy, moment: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """`moment` if the window is open then; otherwise the next opening plus the share `spread` (from 0, below 1) of
    that day's window, so that what was deferred does not leave all at once.
    """
    opening, closing = _window(policy, moment, zone)
    return moment.astimezone(UTC) if opening <= moment else _share(opening, closing, spread)


def deferred_by_cap(policy: ReminderPolicy, now: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """When a message may go out that today's cap held back: in tomorrow's window, tomorrow being the signer's."""
    _, tomorrow = local_day(now, zone)
    return _share(*_window(policy, tomorrow, zone), spread)


def over_the_rest(policy: ReminderPolicy, now: datetime, zone: ZoneInfo, spread: float) -> datetime:
    """A moment in what is left of the window that is open now."""
    _, closing = _window(policy, now, zone)
    return _share(now.astimezone(UTC), closing, spread)


def allowed_today(policy: ReminderPolicy, sent_today: int) -> bool:
    """Whether one more message may go to a person who got `sent_today` since the beginning of their `local_day`."""
    return sent_today < policy.messages_per_day


def local_day(now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Beginning (inclusive) and end (exclusive) of the day that it is in `zone`: 23 or 25 hours apart when the clocks
    change.
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
    """Whether staff may remind this signer by hand now. Times outside the signer's present day do not count towards
    the day's limit. Several limits may hold at once; the verdict names the one that holds longest.
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
    """All messages of one task, laid out between its invitation and its deadline. `invited_at`: when it was opened,
    until there is an invitation. `spread`: see `spread_of`."""

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
        """None if there is no room for one. A near deadline does not make it come sooner than the first reminder
        would.
        """
        counted_back = self._on_the_wall(self.deadline, -self.policy.last_call_before)
        first_reminder = self._on_the_wall(self.invited_at, self.policy.reminders_after[0])
        return self.at_all(max(counted_back, first_reminder))

    def after(self, done: NextStep | None, *, now: datetime, free_from: datetime, promised: bool = False) -> NextStep:
        """The first step after `now` and after `done`, and no message before `free_from`. Its number is new.
        `promised`: also the reminder in whose place one was brought forward.
        """
        last_call = self.last_call_at
        if last_call is not None and last_call <= now:
            return self.expiry
        passed = max(now, done.due_at) if done else now
        following = self._place_after(passed)
        if done is not None and not promised and self._was_brought_forward(done, following):
            following += 1
        while self.has_room(due := self._reminder_at(following)):
            if due > passed and due >= free_from:
                return NextStep(StepKind.REMINDER, max(following, done.number + 1 if done else 1), due)
            following += 1
        due_at = None if last_call is None else self.at_all(max(last_call, free_from))
        return self.expiry if due_at is None else NextStep(StepKind.LAST_CALL, 0, due_at)

    def _place_after(self, moment: datetime) -> int:
        """The first reminder that this policy has after that moment. Found by time: the number of the last one may be
        that of a policy with more reminders, or fewer."""
        return next(place for place in count(1) if self._reminder_at(place) > moment)

    def _was_brought_forward(self, done: NextStep, following: int) -> bool:
        """Whether it went out in the place of `following`, whose number it has, and well after the one before."""
        before = self._reminder_at(following - 1) if following > 1 else self.invited_at
        return done.number == following and done.due_at - before >= APART

    def has_room(self, due: datetime) -> bool:
        """Whether a reminder may stand there: the last call takes the place of those that come close to it or later."""
        last_call = self.last_call_at
        return due < self.deadline and (last_call is None or last_call - due >= APART)

    def instead_of(self, old: NextStep, done: NextStep | None, now: datetime) -> NextStep:
        """The step after `done` on the days of this policy, for one that was planned under another. What is due is left
        to the worker. A reminder that this policy has just as it is stays: in the place of the one before, another may
        have been brought forward.
        """
        if old.due_at <= now and old.due_at < self.deadline:
            return old
        if done is None and old.kind is StepKind.INVITATION:
            due = self.at_all(max(now, self.invited_at))
            return self.expiry if due is None else NextStep(StepKind.INVITATION, 0, due)
        if done is not None and done.kind is StepKind.LAST_CALL:
            return self.expiry
        free_from = done.due_at + APART if done else now
        if old.kind is StepKind.REMINDER and old == self.after(done, now=now, free_from=free_from):
            return old
        return self.after(done, now=now, free_from=free_from, promised=True)

    def at_all(self, moment: datetime) -> datetime | None:
        """In the window of an open day, or of a closed one where the deadline leaves no open day."""
        return self.in_window(moment) or replace(self, policy=on_every_day(self.policy)).in_window(moment)

    def in_window(self, moment: datetime) -> datetime | None:
        """Like `into_window`, but spread over what the deadline leaves of that day's window. None if it leaves
        nothing.
        """
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
        return into_window(self.policy, self._on_the_wall(self.invited_at, offset), self.zone, self.spread)

    def _on_the_wall(self, moment: datetime, offset: timedelta) -> datetime:
        return (moment.astimezone(self.zone) + offset).astimezone(UTC)


def _window(policy: ReminderPolicy, moment: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Opening and closing of the window that is open at `moment`, or else of the next one on an open day."""
    date = moment.astimezone(zone).date()
    closing = datetime.combine(date, policy.window_closes, zone).astimezone(UTC)
    while closing <= moment or date in policy.closed_days:
        date += timedelta(days=1)
        closing = datetime.combine(date, policy.window_closes, zone).astimezone(UTC)
    return datetime.combine(date, policy.window_opens, zone).astimezone(UTC), closing


def _share(opening: datetime, closing: datetime, spread: float) -> datetime:
    """A moment of the window, to the second, rounded down: the closing itself is outside it."""
    if not 0 <= spread < 1:
        raise ValueError(f"spread: has to be from 0 up to, not including, 1, not {spread}")
    seconds = int((closing - opening).total_seconds() * spread)
    return opening + timedelta(seconds=seconds)
