"""The dashboard of staff: numbers of contracts by state, and for each contract what happened last and what comes
next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, and_, exists, func, not_, or_, select, true, union_all
from sqlalchemy.sql.selectable import LateralFromClause

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import DeliveryState
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.connection import Connection, Row
from hub.store.tables import (
    CampusRow,
    ContractRow,
    CourseRow,
    DeliveryRow,
    DeliveryShareRow,
    SignerRow,
    SigningTaskRow,
    table_of,
)

CONTRACT: Table = table_of(ContractRow)
TASK: Table = table_of(SigningTaskRow)
SIGNER: Table = table_of(SignerRow)
DELIVERY: Table = table_of(DeliveryRow)
CAMPUS: Table = table_of(CampusRow)
COURSE: Table = table_of(CourseRow)
SHARE: Table = table_of(DeliveryShareRow)
TAIL = 4
_SEEN = [DELIVERY.c[name] for name in ("channel", "state", "state_at", "created_at")]
# Each message appears once for every contract that it is about.
MESSAGE = union_all(
    select(DELIVERY.c.contract, DELIVERY.c.purpose, *_SEEN).where(DELIVERY.c.purpose != "code"),
    select(SHARE.c.contract, SHARE.c.purpose, *_SEEN)
    .join(DELIVERY, DELIVERY.c.id == SHARE.c.delivery)
    .where(SHARE.c.contract != DELIVERY.c.contract),
).subquery("said")
FAILED = (DeliveryState.UNDELIVERED.value, DeliveryState.REFUSED.value)


@dataclass(frozen=True)
class BoardFilter:
    """What staff search for.

    `view`: pending, reached, opened, unreached or stuck. `state`: of a contract. `search`: a name, a contract number, a
    phone number, or the last four digits of a phone or identity document.
    """

    view: str | None = None
    state: str | None = None
    course: str | None = None
    created_before: datetime | None = None
    search: str | None = None


@dataclass(frozen=True)
class LastMessage:
    channel: str
    purpose: str
    state: str
    at: datetime


@dataclass(frozen=True)
class Upcoming:
    """The next step of a contract. `signer` is the full name, since staff must know whom to call."""

    step: str
    number: int
    due_at: datetime
    paused: bool
    signer: str
    role: str
    signer_id: UUID


@dataclass(frozen=True)
class BoardRow:
    id: UUID
    number: str
    campus: str
    campus_name: str
    campus_name_en: str
    zone: str
    course: str | None
    course_name: str | None
    course_name_en: str | None
    title: str
    state: ContractState
    student_name: str
    created_at: datetime
    deadline: datetime
    stuck_since: datetime | None
    stuck_reason: str | None
    replaced: bool
    signers: int
    signed: int
    opened_at: datetime | None
    last_signed_at: datetime | None
    message: LastMessage | None
    upcoming: Upcoming | None
    readable: bool = True


class Board:
    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def counts(self) -> Mapping[str, int]:
        """Return the numbers of contracts in the scope, by name.

        The funnel: issued, sent, delivered, opened, signed, completed. Of those to be signed: pending, reached, read,
        unreached. Also: stuck.
        """
        pending, done = CONTRACT.c.state == "ISSUED", CONTRACT.c.state.in_(["SIGNED", "COMPLETED"])
        facts = (
            select(
                pending.label("pending"),
                done.label("signed"),
                (CONTRACT.c.state == "COMPLETED").label("completed"),
                _sent().label("sent"),
                _delivered().label("delivered"),
                _opened().label("opened"),
                _failed().label("failed"),
                CONTRACT.c.stuck_since.is_not(None).label("stuck"),
            )
            .where(CONTRACT.c.state != "DRAFT")
            .subquery()
        )
        f = facts.c
        counted = {
            "issued": true(),
            "sent": f.sent,
            "delivered": f.delivered,
            "opened": f.opened,
            "signed": f.signed,
            "completed": f.completed,
            "pending": f.pending,
            "reached": and_(f.pending, f.delivered),
            "read": and_(f.pending, f.opened),
            "unreached": and_(f.pending, f.failed),
            "stuck": f.stuck,
        }
        columns = [func.count().filter(condition).label(name) for name, condition in counted.items()]
        row = (await self._connection.execute(select(*columns).select_from(facts))).one()
        return {name: int(value) for name, value in row.items()}

    async def overdue(self, now: datetime) -> int:
        """Return how many contracts are still to be signed after their deadline. `now` is on the planning clock."""
        mine = (CONTRACT.c.state == "ISSUED") & (CONTRACT.c.deadline < now)
        return int(await self._connection.scalar(select(func.count()).select_from(CONTRACT).where(mine)) or 0)

    async def rows(
        self, wanted: BoardFilter, *, after: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[BoardRow]:
        """Return contracts, newest first. `after`: creation time and id of the last one on the page before."""
        message, upcoming, progress = _last_message(), _upcoming(), _progress()
        statement = _columns(message, upcoming, progress).where(*self._conditions(wanted))
        if after:
            created_at, last = after
            same = (CONTRACT.c.created_at == created_at) & (CONTRACT.c.id < last)
            statement = statement.where((CONTRACT.c.created_at < created_at) | same)
        statement = statement.order_by(CONTRACT.c.created_at.desc(), CONTRACT.c.id.desc()).limit(limit)
        found = await self._connection.execute(statement)
        return [replace(_row(row), readable=self._cipher.opens(row["data_sealed"])) for row in found]

    async def ids(self, wanted: BoardFilter, limit: int) -> list[UUID]:
        """Return the ids of the contracts that `rows` finds, oldest first."""
        statement = select(CONTRACT.c.id).where(*self._conditions(wanted)).order_by(CONTRACT.c.created_at)
        return list(await self._connection.scalars(statement.limit(limit)))

    def _conditions(self, wanted: BoardFilter) -> Iterable[ColumnElement[bool]]:
        pending = CONTRACT.c.state == "ISSUED"
        views: dict[str, ColumnElement[bool]] = {
            "pending": pending,
            "reached": and_(pending, _delivered()),
            "opened": and_(pending, _opened()),
            "unreached": and_(pending, _failed()),
            "stuck": CONTRACT.c.stuck_since.is_not(None),
        }
        if wanted.view in views:
            yield views[wanted.view]
        if wanted.state:
            yield CONTRACT.c.state == wanted.state
        if wanted.course:
            yield CONTRACT.c.course == wanted.course
        if wanted.created_before:
            yield CONTRACT.c.created_at < wanted.created_before
        if wanted.search and wanted.search.strip():
            yield self._found(wanted.search.strip())

    def _found(self, text: str) -> ColumnElement[bool]:
        signer: list[ColumnElement[bool]] = [SIGNER.c.name.icontains(text, autoescape=True)]
        if text.startswith("+"):
            signer.append(SIGNER.c.phone_hash == self._cipher.found_by("phone", text))
        if len(text) == TAIL:
            signer.append(SIGNER.c.id_tail_hash == self._cipher.found_by("id-tail", text.upper()))
            signer.append(SIGNER.c.phone_tail_hash == self._cipher.found_by("phone-tail", text))
        return or_(
            CONTRACT.c.student_name.icontains(text, autoescape=True),
            CONTRACT.c.number.icontains(text, autoescape=True),
            exists().where(SIGNER.c.contract == CONTRACT.c.id, or_(*signer)),
        )


def _messages(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(MESSAGE.c.contract == CONTRACT.c.id, *conditions)


def _sent() -> ColumnElement[bool]:
    return _messages(MESSAGE.c.state != DeliveryState.WITHDRAWN.value)


def _delivered() -> ColumnElement[bool]:
    return _messages(MESSAGE.c.state == DeliveryState.DELIVERED.value)


def _failed() -> ColumnElement[bool]:
    return and_(_messages(MESSAGE.c.state.in_(FAILED)), not_(_delivered()))


def _opened() -> ColumnElement[bool]:
    return exists().where(TASK.c.contract == CONTRACT.c.id, TASK.c.opened_at.is_not(None))


# ---- one row for each contract


def _last_message() -> LateralFromClause:
    at = func.coalesce(MESSAGE.c.state_at, MESSAGE.c.created_at).label("message_at")
    state = MESSAGE.c.state.label("message_state")
    statement = select(MESSAGE.c.channel, MESSAGE.c.purpose, state, at).where(MESSAGE.c.contract == CONTRACT.c.id)
    return statement.order_by(MESSAGE.c.created_at.desc()).limit(1).lateral("message")


def _upcoming() -> LateralFromClause:
    mine = (TASK.c.contract == CONTRACT.c.id) & (TASK.c.state == TaskState.OPEN.value)
    columns = (TASK.c.next_step, TASK.c.step_number, TASK.c.next_due_at, TASK.c.paused)
    person = (SIGNER.c.name.label("signer_name"), SIGNER.c.role.label("signer_role"), SIGNER.c.id.label("signer_id"))
    statement = select(*columns, *person).join(SIGNER, SIGNER.c.id == TASK.c.signer).where(mine)
    return statement.order_by(TASK.c.next_due_at, TASK.c.id).limit(1).lateral("upcoming")


def _progress() -> LateralFromClause:
    return (
        select(
            func.count().label("signers"),
            func.count().filter(TASK.c.state == TaskState.SIGNED.value).label("signed"),
            func.max(TASK.c.opened_at).label("opened_at"),
            func.max(TASK.c.signed_at).label("last_signed_at"),
        )
        .where(TASK.c.contract == CONTRACT.c.id)
        .lateral("progress")
    )


def _columns(message: LateralFromClause, upcoming: LateralFromClause, progress: LateralFromClause) -> Select[Any]:
    plain = [CONTRACT.c[name] for name in _PLAIN]
    names = (
        CAMPUS.c.name.label("campus_name"),
        CAMPUS.c.name_en.label("campus_name_en"),
        CAMPUS.c.zone,
        COURSE.c.name.label("course_name"),
        COURSE.c.name_en.label("course_name_en"),
        CONTRACT.c.replaced_by.is_not(None).label("replaced"),
    )
    course = (COURSE.c.campus == CONTRACT.c.campus) & (COURSE.c.id == CONTRACT.c.course)
    joined = CONTRACT.join(CAMPUS, CAMPUS.c.id == CONTRACT.c.campus).outerjoin(COURSE, course)
    joined = joined.outerjoin(message, true()).outerjoin(upcoming, true()).join(progress, true())
    return select(*plain, *names, *message.c, *upcoming.c, *progress.c).select_from(joined)


_PLAIN = (
    "id",
    "number",
    "campus",
    "course",
    "title",
    "state",
    "student_name",
    "created_at",
    "deadline",
    "stuck_since",
    "stuck_reason",
    "data_sealed",
)


_MADE = ("message", "upcoming", "state", "readable")


def _row(row: Row | Mapping[str, Any]) -> BoardRow:
    message = upcoming = None
    if row["channel"]:
        message = LastMessage(row["channel"], row["purpose"], row["message_state"], row["message_at"])
    if row["next_step"]:
        upcoming = Upcoming(
            row["next_step"],
            row["step_number"],
            row["next_due_at"],
            row["paused"],
            row["signer_name"],
            row["signer_role"],
            row["signer_id"],
        )
    own = {name: row[name] for name in BoardRow.__dataclass_fields__ if name not in _MADE}
    return BoardRow(**own, state=ContractState(row["state"]), message=message, upcoming=upcoming)
