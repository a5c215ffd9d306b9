"""Import of campuses, courses, rosters, the first staff account and the first API key. All imports are idempotent."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher

from hub.documents.fonts import ContractFont
from hub.documents.roster import Roster, RosterReader, RosterRow, RowProblem
from hub.documents.spreadsheet import SpreadsheetReader
from hub.errors import BadInput
from hub.lifecycle.contract.new_contract import NewContract, signer_of, student_of
from hub.model.reminders.schedule import FirstSend
from hub.model.school.course import Campus, Course, Enrolment
from hub.model.staff.accounts import EVERYTHING, Scope, Staff
from hub.store.transaction import Database, Transaction

Clock = Callable[[], datetime]
# Rows per transaction, so that a large roster does not hold locks for long.
ROWS_AT_ONCE = 200
_UNKNOWN = {
    "campus": (
        "campus-unknown",
        ("没有这个校区", "There is no such campus"),
        ("请填写校区编号", "Enter the campus id"),
    ),
    "course": (
        "course-unknown",
        ("该校区没有这门课程", "There is no such course at this campus"),
        ("请填写课程编号", "Enter the course id"),
    ),
    "scope": (
        "campus-not-yours",
        ("您的账号不能为这个校区导入", "Your account may not import for this campus"),
        ("请由该校区或总部导入", "Ask that campus or headquarters"),
    ),
}


@dataclass(frozen=True)
class LoadReport:
    """The result of an import. `already`: number of students enrolled before. `problems`: rows that were left out."""

    added: int
    already: int
    problems: tuple[RowProblem, ...]


# ---- the school


async def load_school(database: Database, seeds: Path) -> None:
    """Import campuses and courses from `school.toml` and `courses.toml`. Raises KeyError for a missing value."""
    school = tomllib.loads((seeds / "school.toml").read_text())
    courses = tomllib.loads((seeds / "courses.toml").read_text())
    async with database.transaction(EVERYTHING) as tx:
        for campus in school["campus"]:
            await tx.school.put_campus(_campus(campus))
        for course in courses["course"]:
            await tx.school.put_course(
                Course(course["id"], course["campus"], course["name"], course["name_en"], course["details"])
            )


def _campus(values: Mapping[str, str]) -> Campus:
    return Campus(
        values["id"],
        values.get("parent"),
        values["name"],
        values["name_en"],
        values["zone"],
        values.get("address", ""),
        values.get("phone", ""),
        values.get("address_en", ""),
    )


async def put_staff_and_key(database: Database, *, login: str, password: str, api_key: str) -> None:
    """Create the first account and API key, both of headquarters. Raises BadInput if no campus is loaded yet."""
    password_hash = await asyncio.to_thread(PasswordHasher().hash, password)
    async with database.transaction(EVERYTHING) as tx:
        headquarters = next((each.id for each in await tx.school.campuses() if each.parent is None), None)
        if headquarters is None:
            raise BadInput("load the school first", field="campus")
        await tx.accounts.put_staff(Staff(uuid4(), login, login, headquarters, "manager"), password_hash, tx.now)
        await tx.api_keys.put_api_key(login, api_key, headquarters, tx.now)


# ---- rosters


async def load_roster(database: Database, clock: Clock, data: bytes, scope: Scope, language: str = "zh") -> LoadReport:
    """Import enrolments from a spreadsheet. Invalid rows are reported, in `language`, and skipped.

    Raises UnreadableFile if the file as a whole cannot be read.
    """
    roster = await asyncio.to_thread(_read, data, clock().date(), language)
    added = already = 0
    problems = list(roster.problems)
    async with database.transaction(EVERYTHING) as tx:
        known = {each.id for each in await tx.school.campuses()}
        offered = {(course.campus, course.id) for course in await tx.school.courses()}
    good = []
    for row in roster.rows:
        problem = _unknown(row, known, offered, scope, language)
        problems += [problem] if problem else []
        good += [] if problem else [row]
    for start in range(0, len(good), ROWS_AT_ONCE):
        async with database.transaction(scope) as tx:
            new = await _enrol(tx, good[start : start + ROWS_AT_ONCE])
        added += new
        already += len(good[start : start + ROWS_AT_ONCE]) - new
    return LoadReport(added, already, tuple(sorted(problems, key=lambda problem: problem.row)))


def _read(data: bytes, today: date, language: str) -> Roster:
    """Parse the spreadsheet, which is opened in a child process with limits."""
    spreadsheets = SpreadsheetReader()
    try:
        return RosterReader(spreadsheets, ContractFont()).read(data, today, language)
    finally:
        spreadsheets.close()


def _unknown(
    row: RosterRow, campuses: set[str], courses: set[tuple[str, str]], scope: Scope, language: str
) -> RowProblem | None:
    which = language != "zh"
    if row.campus not in campuses:
        column, kind, value = ("校区", "campus")[which], "campus", row.campus
    elif not scope.covers(row.campus):
        column, kind, value = ("校区", "campus")[which], "scope", row.campus
    elif (row.campus, row.course) not in courses:
        column, kind, value = ("课程", "course")[which], "course", row.course
    else:
        return None
    code, what, how = _UNKNOWN[kind]
    return RowProblem(row.number, column, value[:60], code, what[which], how[which])


async def _enrol(tx: Transaction, rows: Sequence[RosterRow]) -> int:
    added = 0
    for row in rows:
        enrolment = Enrolment(uuid4(), row.campus, row.course, row.student.name, _people(row), row.external_id)
        person = tx.cipher.person(row.student.id_type, row.student.id_number)
        added += await tx.school.add_enrolment(enrolment, person, tx.now)
    return added


def _people(row: RosterRow) -> dict[str, Any]:
    student = asdict(row.student) | {"birth_date": row.student.birth_date.isoformat()}
    signers = [asdict(signer) | {"relation": signer.relation or None} for signer in row.signers]
    return {"student": student, "signers": signers}


# ---- from an enrolment to a contract


def new_contract(enrolment: Enrolment, *, deadline: datetime | None = None, send: FirstSend = "now") -> NewContract:
    """Return the contract to be issued for a line of the roster."""
    people = enrolment.people
    return NewContract(
        campus=enrolment.campus,
        course=enrolment.course,
        student=student_of(people["student"]),
        signers=tuple(signer_of(each) for each in people["signers"]),
        deadline=deadline,
        send=send,
        external_id=enrolment.external_id,
        enrolment=enrolment.id,
    )


def family_first(enrolments: Sequence[Enrolment]) -> list[Enrolment]:
    """Return the enrolments in order, but grouped by first signer, so that siblings share a message."""
    first: dict[tuple[str, ...], int] = {}
    places = [first.setdefault(min(_signers(each)), number) for number, each in enumerate(enrolments)]
    return [each for _, each in sorted(zip(places, enrolments, strict=True), key=lambda pair: pair[0])]


def share_a_signer(one: Enrolment, other: Enrolment) -> bool:
    return one.campus == other.campus and bool(_signers(one) & _signers(other))


def _signers(enrolment: Enrolment) -> set[tuple[str, ...]]:
    who = ("id_type", "id_number", "phone")
    return {tuple(str(each[name]) for name in who) for each in enrolment.people["signers"]}
