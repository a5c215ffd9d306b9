"""A due step of a signing task, and the decisions about it under the policy. Pure.

Due steps of one person for several contracts may share one message, a *bundle*. `joins` decides which steps do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from hub.model.contract.contract import Contract
from hub.model.contract.signer import Signer, SigningTask, TaskState
from hub.model.messaging.delivery import PLANNED
from hub.model.messaging.message import Purpose
from hub.model.reminders.may_send import MessageCase, opens_at
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    APART,
    NextStep,
    ReminderPlan,
    StepKind,
    following_step,
    local_day,
    postponed,
    spread_of,
)
from hub.model.signing.link import DoorKind, SignLink

# An invitation "now" that is overdue by this much no longer counts as a reply to somebody's act.
AT_ONCE = timedelta(minutes=15)
# Delay that lets sibling contracts share one message.
HOLD = timedelta(minutes=2)
# A step overdue by more than this was delayed by an outage or a clock change.
LATE = timedelta(hours=1)
# Maximum number of contracts in one message, because a session shows no more.
MAX_TOGETHER = 20
PURPOSES = {
    StepKind.INVITATION: Purpose.INVITATION,
    StepKind.REMINDER: Purpose.REMINDER,
    StepKind.LAST_CALL: Purpose.LAST_CALL,
}


@dataclass(frozen=True)
class StepFacts:
    """The facts, besides the case, that are needed to decide about a step. They are read under all locks.

    `sent_to_person`: when planned messages were sent to the person, over all contracts, today and earlier.
    `silent`: channels that the number opted out of.
    `keys`: dedupe keys of the messages already written for the contract.
    `last_sent`: the last message about this task. `reminders_sent`: the number of its reminders since the task was
    (last) opened.
    `links`: permanent links of the signer. `restored_until`: if this hub was restored from a backup, the time until
    which the hub before it may have carried out due steps; else None.
    """

    claimable_at: datetime | None
    leased_until: datetime | None = None
    sent_to_person: tuple[datetime, ...] = ()
    silent: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    last_sent: datetime | None = None
    reminders_sent: int = 0
    links: Mapping[DoorKind, SignLink] = field(default_factory=dict)
    restored_until: datetime | None = None


@dataclass(frozen=True)
class Due:
    """A due step with everything needed to decide about it. `turn`: whether another signer had to sign first."""

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

    @cached_property
    def spread(self) -> float:
        return spread_of(self.task.id)

    @cached_property
    def plan(self) -> ReminderPlan:
        """All messages of the task."""
        return ReminderPlan(
            self.policy, self.task.invited_at or self.now, self.contract.deadline, self.zone, self.spread
        )

    @property
    def answers_an_act(self) -> bool:
        """Whether this is an invitation "now" that is still on time, and so answers somebody's act.

        After a long outage, it no longer does.
        """
        if self.step.kind is not StepKind.INVITATION or self.task.invited_at is None:
            return False
        waited = self.step.due_at - self.task.invited_at
        return waited in (timedelta(0), HOLD) and self.now - self.step.due_at < AT_ONCE

    @property
    def purpose(self) -> Purpose:
        """The purpose of the message: "your turn" instead of an invitation if another signer had to sign first."""
        return Purpose.YOUR_TURN if self.turn and self.step.kind is StepKind.INVITATION else PURPOSES[self.step.kind]

    @cached_property
    def key(self) -> str:
        """The dedupe key, which is the same each time this step of this task is run."""
        invited = self.task.invited_at.isoformat() if self.task.invited_at else ""
        # If the deadline moves after a last call, there is a second last call, which needs a key of its own.
        which = self.contract.deadline.isoformat() if self.step.kind is StepKind.LAST_CALL else self.step.number
        return f"step-{self.task.id}-{invited}-{self.step.kind.value}-{which}"

    @property
    def awake(self) -> bool:
        """Whether the window for messages is open now for this signer."""
        return opens_at(self.message_case(), self.policy, self.now) == self.now

    def message_case(self, *, sent_today: int = 0, crowded: bool = False, silent: Collection[str] = ()) -> MessageCase:
        """Return the case of the step's message for `may_send`. `crowded`: many steps are overdue after an outage."""
        return MessageCase(
            self.purpose,
            self.zone,
            self.spread,
            tasks=[self.task],
            deadline=self.contract.deadline,
            answers_an_act=self.answers_an_act,
            sent_today=sent_today,
            crowded=crowded and self.now - self.step.due_at > LATE,
            silent=silent,
        )

    @property
    def through(self) -> tuple[str, ...]:
        return self.policy.through(self.purpose)


def replacement_step(due: Due, until: datetime) -> NextStep:
    """Return the step that replaces this one, because its message may not be sent before `until`."""
    return postponed(due.plan, due.step, until)


def put_off(due: Due, moment: datetime) -> NextStep:
    """Return the step moved to the first moment from `moment` on at which its message may be sent, or the step that
    replaces it."""
    return replacement_step(due, opens_at(due.message_case(), due.policy, moment))


def following(due: Due) -> NextStep:
    return following_step(due.plan, done=due.step, now=due.now)


def joins(lead: Due, other: Due, last_message_at: datetime | None) -> bool:
    """Return whether `other` shares the message that `lead` sends now.

    Both must have the same person, channels, language and campus. `other` must be due before the end of the signer's
    day, and its own message must be allowed now. `last_message_at`: when the last message about `other` was sent.
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


def shared_purpose(dues: Sequence[Due]) -> Purpose:
    """Return the purpose of one message for all these steps: the most urgent of their purposes."""
    return max((due.purpose for due in dues), key=PLANNED.index)


def _reached(due: Due) -> tuple[object, ...]:
    signer = due.signer
    person = (signer.person, signer.phone, signer.email, signer.campus)
    return (*person, signer.language, signer.channels, signer.zone, due.through)
