"""An act of staff that issues many contracts: the request, and the outcome for each enrolment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from hub.model.reminders.schedule import FirstSend
from hub.model.school.enrolment_list import EnrolmentFilter
from hub.model.staff.act_progress import ActProgress

# The most enrolments of one act.
MAX_AT_ONCE = 5000


class IssueOutcome(StrEnum):
    """The outcome for one enrolment. The values are stored in the database and must not change.

    `ALREADY`: its contract had already been issued. `GONE`: it was deleted meanwhile.
    """

    ISSUED = "issued"
    ALREADY = "already"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True)
class IssueSelection:
    """The selected enrolments: the `chosen` ones or, if that is None, all that match the filter `fitting`."""

    fitting: EnrolmentFilter
    chosen: Sequence[UUID] | None = None


@dataclass(frozen=True)
class IssueAct:
    """A request to issue many contracts. `campus`: the campus of the account that asked. `deadline`: the last day, in
    the time zone of each campus; None for the default."""

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
    """An enrolment whose contract the act did not issue. `student_name`: None if the enrolment was deleted."""

    enrolment: UUID
    student_name: str | None
    outcome: IssueOutcome
    failure: IssueFailure | None
