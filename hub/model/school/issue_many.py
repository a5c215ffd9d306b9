"""Contracts that staff issue together: what was asked for, and what became of each enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from hub.model.reminders.schedule import FirstSend
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.staff.act_progress import ActProgress

# Enrolments of one act.
MAX_AT_ONCE = 5000


class IssueOutcome(StrEnum):
    """What became of one enrolment. The values are stored in the database and must not change.

    `ALREADY`: somebody else issued its contract. `GONE`: it was deleted meanwhile.
    """

    ISSUED = "issued"
    ALREADY = "already"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True)
class IssueSelection:
    """Which enrolments: those `chosen` one by one, or all that fit the filter if that is None."""

    fitting: EnrolmentFilter
    chosen: Sequence[UUID] | None = None


@dataclass(frozen=True)
class IssueAct:
    """What was asked for. `campus`: of whoever asked. `deadline`: the last day at each campus; None for the default."""

    id: UUID
    campus: str
    asked_by: str
    asked_at: datetime
    send: FirstSend = "now"
    deadline: date | None = None


IssueProgress = ActProgress[IssueAct, IssueOutcome]


@dataclass(frozen=True)
class IssueFailure:
    """Why a contract could not be issued: code, detail and field of the error."""

    code: str
    detail: str = ""
    field: str = ""


@dataclass(frozen=True)
class FailedItem:
    """An enrolment whose contract was not issued by the act. `student_name`: None if it is gone."""

    enrolment: UUID
    student_name: str | None
    outcome: IssueOutcome
    failure: IssueFailure | None
