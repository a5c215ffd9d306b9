"""The dashboard of staff: numbers of contracts by state, and for each contract what happened last and what comes
next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select, true, tuple_
from sqlalchemy.sql.selectable import LateralFromClause

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import DeliveryState
from hub.store.board.board_counts import count_board
from hub.store.board.board_filter import MESSAGE, SORT_COLUMNS, BoardFilter, BoardSort
from hub.store.contract.contracts import CONTRACT_DATA
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK
from hub.store.tables.school import CAMPUS, COURSE

_CHANGE_MARK = SqlStatement(
    "SELECT (SELECT max(id) FROM reminder_entry) AS ledger, (SELECT max(id) FROM document_version) AS file"
)


@dataclass(frozen=True)
class LastMessage:
    channel: str
    purpose: str
    state: str
    at: datetime
    waits_until: datetime | None


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
    external_id: str | None
    opened_at: datetime | None
    last_signed_at: datetime | None
    message: LastMessage | None
    upcoming: Upcoming | None
    readable: bool = True

    def get_sorted_by(self, sort: BoardSort) -> datetime | str:
        values: dict[BoardSort, datetime | str] = {
            BoardSort.NEWEST: self.created_at,
            BoardSort.DEADLINE: self.deadline,
            BoardSort.NAME: self.student_name,
        }
        return values[sort]


class Board(EncryptedRepository):
    async def get_counts(self, now: datetime) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return await count_board(self._connection, now)

    async def get_change_mark(self) -> tuple[int, int]:
        """Return two numbers, one of which grows with nearly every change that a board shows.

        They are the ids of the last entry in a ledger (planned, sent, received, opened, signed, ended) and of the last
        version of a file (issued, signed, sealed). A contract that gets stuck changes neither.

        Call this in the scope of all campuses: it then reads only the ends of two indexes. In the scope of one campus
        it may read both tables.
        """
        row = (await self._connection.execute(_CHANGE_MARK)).one()
        return int(row["ledger"] or 0), int(row["file"] or 0)

    async def list_rows(
        self,
        wanted: BoardFilter,
        *,
        sort: BoardSort = BoardSort.NEWEST,
        after: tuple[Any, UUID] | None = None,
        limit: int = 50,
    ) -> list[BoardRow]:
        """Return contracts in this order. `after`: sort value and id of the last contract on the previous page."""
        chosen = select(CONTRACT.c.id).where(*wanted.conditions(self._cipher))
        column, key = SORT_COLUMNS[sort], tuple_(SORT_COLUMNS[sort], CONTRACT.c.id)
        if after:
            last = tuple_(*after, types=[column.type, CONTRACT.c.id.type])
            chosen = chosen.where(key < last if sort is BoardSort.NEWEST else key > last)
        order = (column.desc(), CONTRACT.c.id.desc()) if sort is BoardSort.NEWEST else (column, CONTRACT.c.id)
        found = await self._connection.execute(_described(chosen.order_by(*order).limit(limit)).order_by(*order))
        opens = self._cipher.can_decrypt
        return [replace(_row(row), readable=opens(row["data_sealed"], CONTRACT_DATA.at(row["id"]))) for row in found]

    async def count(self, wanted: BoardFilter) -> int:
        """Return the number of contracts that `list_rows` finds."""
        return await self._connection.count(CONTRACT, *wanted.conditions(self._cipher))

    async def list_ids(self, wanted: BoardFilter, limit: int) -> list[UUID]:
        """Return the ids of the contracts that `list_rows` finds, oldest first."""
        statement = select(CONTRACT.c.id).where(*wanted.conditions(self._cipher)).order_by(CONTRACT.c.created_at)
        return await self._connection.scalars(statement.limit(limit))


# ---- one row for each contract


def _last_message() -> LateralFromClause:
    at = func.coalesce(MESSAGE.c.state_at, MESSAGE.c.created_at).label("message_at")
    state = MESSAGE.c.state.label("message_state")
    waits = (MESSAGE.c.state == DeliveryState.SENDING.value, MESSAGE.c.not_before)
    columns = (MESSAGE.c.channel, MESSAGE.c.purpose, state, at, case(waits).label("message_waits"))
    statement = select(*columns).where(MESSAGE.c.contract == CONTRACT.c.id)
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


def _described(chosen: Select[Any]) -> Select[Any]:
    """Select what the board shows of the contracts with the chosen ids."""
    page, message, upcoming, progress = chosen.subquery("page"), _last_message(), _upcoming(), _progress()
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
    joined = page.join(CONTRACT, CONTRACT.c.id == page.c.id).join(CAMPUS, CAMPUS.c.id == CONTRACT.c.campus)
    joined = joined.outerjoin(COURSE, course).outerjoin(message, true())
    joined = joined.outerjoin(upcoming, true()).join(progress, true())
    return select(*plain, *names, *message.c, *upcoming.c, *progress.c).select_from(joined)


_PLAIN = (
    *("id", "number", "campus", "course", "title", "state", "student_name", "created_at", "deadline"),
    *("stuck_since", "stuck_reason", "external_id", "data_sealed"),
)
# In the order of the fields of `LastMessage` and of `Upcoming`.
_MESSAGE = ("channel", "purpose", "message_state", "message_at", "message_waits")
_UPCOMING = ("next_step", "step_number", "next_due_at", "paused", "signer_name", "signer_role", "signer_id")


_MADE = ("message", "upcoming", "state", "readable")


def _row(row: Row | Mapping[str, Any]) -> BoardRow:
    message = upcoming = None
    if row["channel"]:
        message = LastMessage(*(row[name] for name in _MESSAGE))
    if row["next_step"]:
        upcoming = Upcoming(*(row[name] for name in _UPCOMING))
    own = {name: row[name] for name in BoardRow.__dataclass_fields__ if name not in _MADE}
    return BoardRow(**own, state=ContractState(row["state"]), message=message, upcoming=upcoming)
