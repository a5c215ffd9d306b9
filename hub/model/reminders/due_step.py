"""Due: a step of a signing task whose time has come, and what the policy says about it now. Pure.

Several contracts of one person go into one message: a *bundle*. `joins` says which of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.messaging.message import Purpose
from hub.model.reminders.may_send import MessageCase, opens_at
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    APART,
    NextStep,
    ReminderPlan,
    StepKind,
    following_step,
    last_call_at,
    local_day,
    postponed,
    spread_of,
)
from hub.model.signing.link import DoorKind, SignLink

AT_ONCE = timedelta(minutes=15)
# So long an invitation waits for that of a sister or brother who is issued next.
HOLD = timedelta(minutes=2)
# What is overdue by more than this was held up by an outage, or by a clock that jumped.
LATE = timedelta(hours=1)
# As many as a session shows.
MAX_TOGETHER = 20
_URGENCY = (Purpose.INVITATION, Purpose.YOUR_TURN, Purpose.REMINDER, Purpose.LAST_CALL)
PURPOSES = {
    StepKind.INVITATION: Purpose.INVITATION,
    StepKind.REMINDER: Purpose.REMINDER,
    StepKind.LAST_CALL: Purpose.LAST_CALL,
}


@dataclass(frozen=True)
class StepFacts:
    """What a step needs to know beside its case, as it is under all locks.

    `sent_to_person`: when planned messages went to the person, over all contracts, today and before. `silent`: the
    channels by which the number wants to hear nothing. `keys`: the messages of the contract that were written already.
    `last_sent` and `reminders_sent`: the last message about this task, and its reminders since its turn came (again).
    `links`: the lasting links that the signer has.
    """

    claimable_at: datetime | None
    leased_until: datetime | None = None
    sent_to_person: tuple[datetime, ...] = ()
    silent: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    last_sent: datetime | None = None
    reminders_sent: int = 0
    links: Mapping[DoorKind, SignLink] = field(default_factory=dict)


@dataclass(frozen=True)
class Due:
    """A step with what is needed to decide about it. `turn`: somebody else had to sign before."""

    contract: Contract
    task: SigningTask
    signer: Signer
    step: NextStep
    now: datetime
    policy: ReminderPolicy
    turn: bool = False

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.signer.zone)

    @property
    def spread(self) -> float:
        return spread_of(self.task.id)

    @property
    def answers_an_act(self) -> bool:
        """An invitation "now", on time. One that a long outage delayed is no answer to anybody any more."""
        if self.step.kind is not StepKind.INVITATION or self.task.invited_at is None:
            return False
        waited = self.step.due_at - self.task.invited_at
        return waited in (timedelta(0), HOLD) and self.now - self.step.due_at < AT_ONCE

    @property
    def purpose(self) -> Purpose:
        """Whoever comes after somebody else is told that it is their turn."""
        return Purpose.YOUR_TURN if self.turn and self.step.kind is StepKind.INVITATION else PURPOSES[self.step.kind]

    @property
    def key(self) -> str:
        """One per intent: the same step of the same task is the same message, whoever runs it."""
        invited = self.task.invited_at.isoformat() if self.task.invited_at else ""
        # A deadline that moved makes a second last call, which is another intent than the first.
        which = self.contract.deadline.isoformat() if self.step.kind is StepKind.LAST_CALL else self.step.number
        return f"step-{self.task.id}-{invited}-{self.step.kind.value}-{which}"

    @property
    def awake(self) -> bool:
        """Whether a message of ours may go to this person now, as far as hours and days are concerned."""
        return opens_at(self.message_case(), self.policy, self.now) == self.now

    def message_case(self, *, sent_today: int = 0, crowded: bool = False, silent: Collection[str] = ()) -> MessageCase:
        """Return what decides whether its message may go out. `crowded`: many steps are overdue, since nothing ran."""
        return MessageCase(
            self.purpose,
            self.zone,
            self.spread,
            tasks=[self.task],
            deadline=self.contract.deadline,
            answers_an_act=self.answers_an_act,
            sent_today=sent_today,
            crowded=crowded and is_late(self),
            silent=silent,
        )

    @property
    def through(self) -> tuple[str, ...]:
        return self.policy.through(self.purpose)


def instead(due: Due, until: datetime) -> NextStep:
    """Return the step in the place of this one, which may go out at `until` and not now."""
    deadline, invited_at = due.contract.deadline, due.task.invited_at or due.now
    last_call = last_call_at(due.policy, invited_at=invited_at, deadline=deadline, zone=due.zone, spread=due.spread)
    return postponed(due.step, until=until, deadline=deadline, last_call=last_call)


def put_off(due: Due, moment: datetime) -> NextStep:
    """The same step when messages may go out from `moment` on, or what takes its place there."""
    return instead(due, opens_at(due.message_case(), due.policy, moment))


def is_late(due: Due) -> bool:
    return due.now - due.step.due_at > LATE


def following(due: Due) -> NextStep:
    plan = ReminderPlan(due.policy, due.task.invited_at or due.now, due.contract.deadline, due.zone, due.spread)
    return following_step(plan, done=due.step, now=due.now)


def joins(lead: Due, other: Due, last_message_at: datetime | None) -> bool:
    """Whether `other` goes into the message that `lead` sends now. `last_message_at`: the last one about `other`.

    It has to be of the same person with the same wishes at the same campus, due before their day is over, and such
    that it might go out now by itself.
    """
    task, step = other.task, other.step
    if task.state is not TaskState.OPEN or task.paused or step.kind is StepKind.EXPIRY:
        return False
    if not (lead.policy.bundle and other.policy.bundle) or _reached(lead) != _reached(other):
        return False
    if other.now >= other.contract.deadline or step.due_at >= local_day(other.now, other.zone)[1]:
        return False
    if step.due_at > other.now and last_message_at is not None and other.now - last_message_at < APART:
        return False
    return other.awake or (other.answers_an_act and step.due_at <= other.now + HOLD)


def said_by(dues: Sequence[Due]) -> Purpose:
    """What one message for all of these says: the most urgent of it."""
    return max((due.purpose for due in dues), key=_URGENCY.index)


def _reached(due: Due) -> tuple[object, ...]:
    signer = due.signer
    person = (signer.person, signer.phone, signer.email, signer.campus)
    return (*person, signer.language, signer.channels, signer.zone, due.through)


__all__ = [
    "HOLD",
    "LATE",
    "MAX_TOGETHER",
    "PURPOSES",
    "Due",
    "StepFacts",
    "following",
    "instead",
    "is_late",
    "joins",
    "put_off",
    "said_by",
]
