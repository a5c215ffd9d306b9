"""An act of staff that issues many contracts: the request, and the outcome for each enrolment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from hub.errors import ActDecided, SecondPersonNeeded
from hub.model.board.act_progress import ActFailure, ActProgress
from hub.model.reminders.schedule import FirstSend
from hub.model.school.course import Course, Enrolment
from hub.model.school.enrolment_list import EnrolmentFilter

# Maximum number of enrolments in one act.
MAX_AT_ONCE = 5000
# Kind of staff task: an act waits for approval.
APPROVE_ISSUE = "approve-issue"


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
    the time zone of each campus; None for the default. `needs_approval`: nothing is issued before somebody else has
    approved the act. `decided_by`: the person who approved or, if `refused`, refused it."""

    id: UUID
    campus: str
    asked_by: str
    asked_at: datetime
    send: FirstSend = "now"
    deadline: date | None = None
    needs_approval: bool = False
    decided_by: str | None = None
    decided_at: datetime | None = None
    refused: bool = False

    @property
    def address(self) -> str:
        """The path of the page on which the act is shown and approved."""
        return f"/staff/issued/{self.id}"

    @property
    def waits(self) -> bool:
        """Whether somebody else has to approve it first."""
        return self.needs_approval and self.decided_by is None

    @property
    def may_issue(self) -> bool:
        return not self.refused and not self.waits


@dataclass(frozen=True)
class SignerReplacement:
    """The replacement of a signer, for which a new contract is issued in place of `contract`. `leaving`: the signer who
    is replaced. `by`: the values of the new signer."""

    contract: UUID
    leaving: UUID
    by: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"contract": str(self.contract), "leaving": str(self.leaving), "by": dict(self.by)}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SignerReplacement:
        return cls(UUID(values["contract"]), UUID(values["leaving"]), values["by"])


def decide_act(act: IssueAct, actor: str, now: datetime, *, approve: bool) -> IssueAct:
    """Return the act as approved or, without `approve`, as refused.

    Raises ActDecided if the act is not waiting for a decision, SecondPersonNeeded if the person who asked for it tries
    to approve it. That person may refuse it, that is, take it back.
    """
    if not act.waits:
        raise ActDecided
    if approve and actor == act.asked_by:
        raise SecondPersonNeeded
    return replace(act, decided_by=actor, decided_at=now, refused=not approve)


def describe_item(
    enrolment: Enrolment,
    course: Course | None,
    templates: Sequence[Sequence[str]],
    planned: Mapping[str, Any] | None = None,
) -> str:
    """Return everything from which the documents of an enrolment are drawn, as one text.

    `templates`: id, language, version and SHA-256 of each. `planned`: the values of a contract that replaces another
    one, since these do not come from the roster.
    """
    taught = [course.name, course.name_en, course.details] if course else []
    drawn_from = enrolment.people if planned is None else planned
    people = [str(enrolment.id), enrolment.campus, enrolment.course, drawn_from]
    return json.dumps([people, taught, [list(each) for each in templates]], sort_keys=True, default=str)


def digest_items(items: Mapping[UUID, bytes]) -> str:
    """Return a digest of everything to be issued. The approval names it, to prove what the approver has seen. `items`:
    the digest of each enrolment."""
    seen = sorted([str(enrolment), digest.hex()] for enrolment, digest in items.items())
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


IssueProgress = ActProgress[IssueAct, IssueOutcome]


@dataclass(frozen=True)
class FailedItem:
    """An enrolment whose contract the act did not issue. `student_name`: None if the enrolment was deleted."""

    enrolment: UUID
    student_name: str | None
    outcome: IssueOutcome
    failure: ActFailure | None
