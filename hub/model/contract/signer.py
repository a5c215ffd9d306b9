"""Signer: a person who must sign a contract. SigningTask: the signature that one signer owes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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


# Prefix of `Signer.person` for a person who only declared their identity.
DECLARED = "declared:"
# Prefix of `Signer.person` for a person who was erased from the contract. A random value follows.
ERASED_PERSON = "erased:"


@dataclass(frozen=True)
class Signer:
    """A person who must sign a contract.

    `phone`: E.164.
    `person`: keyed hash of the identity document, the same in every contract of this person; see also `declared`.
    `field`: signature field in the PDF, for example `guardian-1`.
    `order`: signers with a lower order sign first; those with the same order sign in any sequence.
    `relation`: a guardian's relation to the student.
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
        """Whether the person only declared their identity document, without a check.

        In that case `person` is a hash of the document and the verified phone, and matches nobody known to the school.
        """
        return self.person.startswith(DECLARED)

    @property
    def erased(self) -> bool:
        return self.person.startswith(ERASED_PERSON)

    def address_for(self, channel: str) -> str | None:
        """Return the e-mail address or phone number for this channel."""
        return self.email if channel == "email" else self.phone


def channels_for(email: str | None) -> tuple[str, ...]:
    """Return the channels for a person whose phone is known, and perhaps an e-mail address: SMS first."""
    return ("sms", "email") if email else ("sms",)


class Representative(BaseModel):
    """The person who signs for the school at a campus and all campuses below it: an entry of `[[representatives]]`.

    If several entries cover a campus, the entry of the nearest campus applies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    campus: str
    name: str
    phone: str
    id_number: str
    id_type: str = "cn-id"
    email: str | None = None
    language: Literal["zh", "en"] = "zh"
    channels: Annotated[tuple[Literal["sms", "voice", "email"], ...], Field(min_length=1)] = ("sms",)


@dataclass(frozen=True)
class SigningTask:
    """What one signer has to do for one contract.

    `step`: the next automatic step; only open tasks have one. `invited_at`: when the task was (last) opened for the
    signer. `opened_at`: when the link was first opened after that. Both are on the planning clock. `opened_through`:
    the door of the link with which the first correct code was entered.
    """

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
        """Whether the signer has opened the link since the task was (last) opened."""
        return self.opened_at is not None and (self.invited_at is None or self.opened_at >= self.invited_at)


def select_tasks_to_open(tasks: Sequence[SigningTask]) -> list[SigningTask]:
    """Return the waiting tasks whose turn it is: those with the lowest unfinished order."""
    unfinished = [task for task in tasks if not task.state.final]
    if not unfinished:
        return []
    turn = min(task.order for task in unfinished)
    return [task for task in unfinished if task.order == turn and task.state is TaskState.WAITING]


def all_signed(tasks: Iterable[SigningTask]) -> bool:
    """Return whether all tasks are signed; False if there are none."""
    states = [task.state for task in tasks]
    return bool(states) and all(state is TaskState.SIGNED for state in states)
