"""Signer: a person who must sign. SigningTask: what one signer has to do for one contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from hub.model.reminders.schedule import NextStep


class Role(StrEnum):
    STUDENT = "student"
    GUARDIAN = "guardian"
    REPRESENTATIVE = "representative"


class TaskState(StrEnum):
    WAITING = "WAITING"
    OPEN = "OPEN"
    SIGNED = "SIGNED"
    DECLINED = "DECLINED"
    CLOSED = "CLOSED"

    @property
    def final(self) -> bool:
        return self not in (TaskState.WAITING, TaskState.OPEN)


# So begins the `person` of whoever only said who they are.
DECLARED = "declared:"


@dataclass(frozen=True)
class Signer:
    """`phone` is E.164. `person` is a keyed hash of the identity document: the same person has the same one in every
    contract, and nobody without the key can compute it; see also `declared`. `field` is the signature field in the PDF,
    for example `guardian-1`.
    `order`: lower ones sign first; equal ones in any order. `relation` is a guardian's relation to the student.
    """

    id: UUID
    contract: UUID
    campus: str
    role: Role
    name: str
    phone: str
    person: str
    id_type: str
    id_number: str
    order: int
    language: str
    field: str
    channels: tuple[str, ...]
    zone: str = "Asia/Shanghai"
    email: str | None = None
    relation: str | None = None

    @property
    def declared(self) -> bool:
        """Nobody but themselves said that this is their document: `person` stands for it together with the phone that
        was proved, and is nobody whom the school knows."""
        return self.person.startswith(DECLARED)


@dataclass(frozen=True)
class Representative:
    """Who signs for the school at a campus and all below it, as configured; a nearer campus goes before."""

    campus: str
    name: str
    phone: str
    id_number: str
    id_type: str = "cn-id"
    email: str | None = None
    language: str = "zh"
    channels: tuple[str, ...] = ("sms",)


@dataclass(frozen=True)
class SigningTask:
    """`step` is the one next thing that will happen by itself; only open tasks have one. `invited_at` and
    `opened_at`, the first opening since then, are on the planning clock."""

    id: UUID
    contract: UUID
    signer: UUID
    campus: str
    state: TaskState
    order: int
    step: NextStep | None = None
    invited_at: datetime | None = None
    opened_at: datetime | None = None
    opened_through: str | None = None
    accepted_at: datetime | None = None
    signed_at: datetime | None = None
    paused: bool = False

    @property
    def opened(self) -> bool:
        """Whether somebody opened it since their turn came, or came again."""
        return self.opened_at is not None and (self.invited_at is None or self.opened_at >= self.invited_at)


def tasks_to_open(tasks: Sequence[SigningTask]) -> list[SigningTask]:
    """The waiting tasks whose turn it is: all of the lowest order that is not finished."""
    unfinished = [task for task in tasks if not task.state.final]
    if not unfinished:
        return []
    turn = min(task.order for task in unfinished)
    return [task for task in unfinished if task.order == turn and task.state is TaskState.WAITING]


def all_signed(tasks: Iterable[SigningTask]) -> bool:
    """A contract without tasks is not signed by anybody."""
    states = [task.state for task in tasks]
    return bool(states) and all(state is TaskState.SIGNED for state in states)
