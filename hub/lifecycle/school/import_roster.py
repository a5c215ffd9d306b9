"""Import campuses, courses, rosters, the first staff account and the first API key. All imports are idempotent."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from argon2 import PasswordHasher

from hub.documents.fonts import ContractFont
from hub.documents.school.roster import OpenRoster, open_roster
from hub.documents.school.roster_columns import RosterHeader
from hub.documents.school.roster_row import RosterRow, RowChecker, RowProblem
from hub.documents.school.roster_sheets import MarkedSheet, template_sheet
from hub.documents.school.spreadsheet import NumberedRow, SpreadsheetReader, open_reader
from hub.errors import BadInput
from hub.lifecycle.contract.new_contract import NewContract, signer_of, student_of
from hub.lifecycle.evidence.school_acts import record_act
from hub.model.contract.signer import channels_for
from hub.model.reminders.schedule import FirstSend
from hub.model.school.course import Campus, Course, Enrolment
from hub.model.school.roster_import import RosterImport
from hub.model.school.school_names import SchoolNames
from hub.model.staff.accounts import Staff
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.transaction import Clock, Database, Transaction

# Rows per transaction, so that a large roster does not hold locks for long.
ROWS_AT_ONCE = 200
# The most faults that a report lists. A marked sheet shows all of them.
MAX_LISTED_FAULTS = 1000


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import.

    `dry_run`: check, but add nothing. `chosen`: columns by folded title, as people chose them on the page.
    `roster_import`: the import to which added rows belong, so that it can be undone.
    """

    language: str = "zh"
    dry_run: bool = False
    chosen: Mapping[str, str] = field(default_factory=dict)
    roster_import: UUID | None = None


@dataclass(frozen=True)
class LoadReport:
    """The result of an import. `added`: the enrolments added or, in a dry run, those that would be. `already`: the
    number of students who were already enrolled.

    `problems`: the first faults of the skipped rows. `faults`, `refused`: the number of all faults and skipped rows.
    """

    added: int
    already: int
    problems: tuple[RowProblem, ...]
    faults: int
    refused: int
    header: RosterHeader


DEFAULT_OPTIONS = ImportOptions()


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
    """Create the first account, an owner, and the first API key, both at headquarters.

    Raises BadInput before a school is loaded.
    """
    password_hash = await asyncio.to_thread(PasswordHasher().hash, password)
    async with database.transaction(EVERYTHING) as tx:
        headquarters = next((each.id for each in await tx.school.list_campuses() if each.parent is None), None)
        if headquarters is None:
            raise BadInput("load the school first", field="campus")
        await tx.accounts.put_staff(Staff(uuid4(), login, login, headquarters, StaffRole.OWNER), password_hash, tx.now)
        await tx.api_keys.put_api_key(login, api_key, headquarters, tx.now)


# ---- rosters


async def begin_import(tx: Transaction, wanted: RosterImport) -> UUID:
    """Begin an import, record it, and return its id. An interrupted import of the same upload is continued."""
    standing = await tx.roster_imports.begin(wanted)
    if standing == wanted.id:
        await record_act(tx, wanted.campus, "roster-imported", wanted.created_by, {"import": str(standing)})
    return standing


async def load_roster(
    database: Database, clock: Clock, data: bytes, scope: Scope, options: ImportOptions = DEFAULT_OPTIONS
) -> LoadReport:
    """Import enrolments from a spreadsheet. Invalid rows are reported and skipped.

    An import that was killed can be run again: rows that were already added are not added twice. Raises UnreadableFile
    if the file as a whole cannot be read, ImportUndone if somebody undoes it meanwhile.
    """
    added = already = faults = refused = 0
    problems: list[RowProblem] = []
    async with _open(database, clock, data, scope, options) as checked:
        async for batch in checked.batches():
            rows = [row for _, row, _ in batch if row is not None]
            async with database.transaction(scope) as tx:
                new = await _add(tx, rows, options)
            added, already, refused = added + new, already + len(rows) - new, refused + len(batch) - len(rows)
            found = [problem for _, _, problems_of_row in batch for problem in problems_of_row]
            faults += len(found)
            problems += found[: MAX_LISTED_FAULTS - len(problems)]
    if options.roster_import and not options.dry_run:
        async with database.transaction(scope) as tx:
            await tx.roster_imports.finish(options.roster_import, added + already, refused)
    return LoadReport(added, already, tuple(problems), faults, refused, checked.roster.header)


async def read_titles(
    database: Database, data: bytes, scope: Scope, chosen: Mapping[str, str] | None = None
) -> tuple[RosterHeader, tuple[str, ...]]:
    """Return the column titles of a roster, and the columns that an import needs. Raises UnreadableFile."""
    async with database.transaction(EVERYTHING) as tx:
        names = SchoolNames(await tx.school.list_campuses(), await tx.school.list_courses(), scope)
    async with open_reader() as reader:
        header = (await reader.in_turn(partial(open_roster, reader, data, chosen))).header
    return header, tuple(each for each in header.missing if each not in _list_omittable(names))


async def mark_roster(
    database: Database, clock: Clock, data: bytes, scope: Scope, options: ImportOptions = DEFAULT_OPTIONS
) -> bytes:
    """Return the sheet as XLSX with an added last column for the faults of each row. Raises UnreadableFile."""
    async with _open(database, clock, data, scope, options) as checked:
        sheet = MarkedSheet(checked.roster.header, checked.roster.above)
        async for batch in checked.batches():
            for row, _, problems in batch:
                sheet.add(row, problems)
        return await checked.reader.in_turn(sheet.finish)


async def roster_template(database: Database, scope: Scope, language: str) -> bytes:
    """Return an empty roster as XLSX, with the campuses and courses of this scope."""
    async with database.transaction(EVERYTHING) as tx:
        campuses = {each.id: each for each in await tx.school.list_campuses()}
        courses = [each for each in await tx.school.list_courses() if scope.covers(each.campus)]
    return await asyncio.to_thread(template_sheet, [(campuses[each.campus], each) for each in courses], language)


CheckedRow = tuple[NumberedRow, RosterRow | None, list[RowProblem]]


class _CheckedRoster:
    """An open roster whose rows are read and checked in batches, each in the thread of its reader."""

    def __init__(
        self, reader: SpreadsheetReader, roster: OpenRoster, names: SchoolNames, now: datetime, language: str
    ) -> None:
        self.reader, self.roster = reader, roster
        self._checker = RowChecker(roster.header, names, ContractFont(), now, language)
        self._rows = roster.rows(language, given=_list_omittable(names))

    async def batches(self) -> AsyncIterator[list[CheckedRow]]:
        while batch := await self.reader.in_turn(self._next):
            yield batch

    def _next(self) -> list[CheckedRow]:
        return [(row, *self._checker.check(row)) for row in islice(self._rows, ROWS_AT_ONCE)]


def _list_omittable(names: SchoolNames) -> frozenset[str]:
    """Return the columns that a roster for these campuses may omit."""
    return frozenset({"campus"} if names.only_campus else ())


@asynccontextmanager
async def _open(
    database: Database, clock: Clock, data: bytes, scope: Scope, options: ImportOptions
) -> AsyncIterator[_CheckedRoster]:
    """Open the spreadsheet in a child process with limits, for as long as it is read."""
    async with database.transaction(EVERYTHING) as tx:
        names = SchoolNames(await tx.school.list_campuses(), await tx.school.list_courses(), scope)
    async with open_reader() as reader:
        roster = await reader.in_turn(partial(open_roster, reader, data, options.chosen))
        yield _CheckedRoster(reader, roster, names, clock(), options.language)


async def _add(tx: Transaction, rows: Sequence[RosterRow], options: ImportOptions) -> int:
    """Add a batch of rows; return how many are new. In a dry run only count them."""
    if options.dry_run:
        return await tx.school.count_new_enrolments([_line(tx, row) for row in rows])
    if options.roster_import:
        await tx.roster_imports.lock_standing(options.roster_import)
    await tx.roster_imports.lock_imports()
    added = await tx.school.add_enrolments([_line(tx, row, options.roster_import) for row in rows], tx.now)
    if options.roster_import and added:
        await tx.roster_imports.count_added(options.roster_import, added)
    return added


def _line(tx: Transaction, row: RosterRow, roster_import: UUID | None = None) -> tuple[Enrolment, str]:
    people = _people(row)
    enrolment = Enrolment(
        uuid4(), row.campus, row.course, row.student.name, people, row.external_id, roster_import=roster_import
    )
    return enrolment, tx.cipher.person(row.student.id_type, row.student.id_number)


def _people(row: RosterRow) -> dict[str, Any]:
    student = asdict(row.student) | {"birth_date": row.student.birth_date.isoformat()}
    signers = [
        asdict(signer)
        | {"relation": signer.relation or None, "email": signer.email or None, "channels": channels_for(signer.email)}
        for signer in row.signers
    ]
    return {"student": student, "signers": signers}


# ---- from an enrolment to a contract


def new_contract(enrolment: Enrolment, *, deadline: datetime | None = None, send: FirstSend = "now") -> NewContract:
    """Return the input for the contract of an enrolment."""
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
