"""The roster: enrolments in a spreadsheet. Bad rows are reported one by one, and never stop the good ones.

The first row holds the column names, in Chinese or English (`COLUMNS`), in any order; unknown columns are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from hub.documents.fonts import ContractFont, describe
from hub.documents.roster_faults import Fault
from hub.documents.spreadsheet import Cell, SpreadsheetReader
from hub.errors import BadInput, UnreadableFile
from hub.model.contract.person import (
    IdDocument,
    IdType,
    is_minor,
    mask_id,
    mask_name,
    normalise_name,
    normalise_phone,
    parse_id_document,
    strip_separators,
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "external_id": ("报名编号", "external id"),
    "campus": ("校区", "校区编号", "campus"),
    "course": ("课程", "课程编号", "course"),
    "student_name": ("学员姓名", "student name", "student"),
    "student_id_type": ("学员证件类型", "student id type"),
    "student_id_number": ("学员证件号码", "student id number"),
    "student_birth_date": ("出生日期", "birth date", "student birth date"),
    "student_phone": ("学员手机", "student phone"),
    "guardian_name": ("监护人姓名", "guardian name", "guardian"),
    "guardian_relation": ("与学员关系", "relation", "guardian relation"),
    "guardian_id_type": ("监护人证件类型", "guardian id type"),
    "guardian_id_number": ("监护人证件号码", "guardian id number"),
    "guardian_phone": ("监护人手机", "guardian phone"),
    "guardian2_name": ("第二监护人姓名", "guardian 2 name"),
    "guardian2_relation": ("第二监护人与学员关系", "guardian 2 relation"),
    "guardian2_id_type": ("第二监护人证件类型", "guardian 2 id type"),
    "guardian2_id_number": ("第二监护人证件号码", "guardian 2 id number"),
    "guardian2_phone": ("第二监护人手机", "guardian 2 phone"),
    "language": ("语言", "language"),
}
REQUIRED = ("campus", "course", "student_name", "student_id_number")
_ID_TYPES = {
    IdType.CN_ID: ("", "身份证", "居民身份证", "chinese id card", "id card"),
    IdType.PASSPORT: ("护照",),
    IdType.HK_MACAU_PERMIT: ("港澳通行证", "港澳居民来往内地通行证", "回乡证"),
    IdType.TAIWAN_PERMIT: ("台湾通行证", "台湾居民来往大陆通行证", "台胞证"),
    IdType.FOREIGN_PERMANENT_ID: ("外国人永久居留身份证", "外国人永久居留证"),
}
_LANGUAGES = {"": "zh", "zh": "zh", "中文": "zh", "chinese": "zh", "en": "en", "英文": "en", "english": "en"}
_EXACT_FLOAT = 10**15  # spreadsheets keep fifteen digits of a number
_DATE = re.compile(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})\D*|(\d{4})(\d\d)(\d\d)")
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of a spreadsheet's dates


@dataclass(frozen=True)
class RosterStudent:
    name: str
    id_type: str
    id_number: str
    birth_date: date


@dataclass(frozen=True)
class RosterSigner:
    """A signer in a roster. `role` is `student` or `guardian`; `phone` is E.164."""

    role: str
    name: str
    phone: str
    id_type: str
    id_number: str
    relation: str
    language: str


@dataclass(frozen=True)
class RosterRow:
    """A valid row. `number` counts the rows of the sheet, 1 being the header.

    Whether campus and course exist is checked by the caller.
    """

    number: int
    campus: str
    course: str
    student: RosterStudent
    signers: tuple[RosterSigner, ...]
    external_id: str | None


@dataclass(frozen=True)
class RowProblem:
    """A fault in a row.

    `value` is masked; `code` names the fault, for example `phone-wrong`; `what` and `how` are sentences for staff.
    """

    row: int
    column: str
    value: str
    code: str
    what: str
    how: str

    def __str__(self) -> str:
        """Return the fault in one line for a terminal."""
        where = ", ".join(part for part in (f"Row {self.row}", self.column) if part)
        return f"{where}: {self.what}{f' ({self.value})' if self.value else ''}. {self.how}."


@dataclass(frozen=True)
class Roster:
    rows: tuple[RosterRow, ...]
    problems: tuple[RowProblem, ...]


class RosterReader:
    """A reader of rosters.

    `font` is the contracts' font: a name that it cannot show would be refused when the contract is drawn.
    """

    def __init__(self, spreadsheets: SpreadsheetReader, font: ContractFont) -> None:
        self._spreadsheets, self._font = spreadsheets, font

    def read(self, data: bytes, today: date, language: str = "zh") -> Roster:
        """Read a roster. Raises UnreadableFile if it is no spreadsheet, is too large, or lacks a required column."""
        sheet = self._spreadsheets.rows(data)
        columns = _columns(sheet[0] if sheet else (), language)
        rows: list[RosterRow] = []
        problems: list[RowProblem] = []
        seen: dict[tuple[str, ...], int] = {}
        for number, cells in enumerate(sheet[1:], start=2):
            line = _Line(
                number, {name: cells[index] for name, index in columns.items() if index < len(cells)}, self._font
            )
            if line.empty:
                continue
            row = line.row(today, language, problems, seen)
            if row is not None:
                rows.append(row)
        return Roster(tuple(rows), tuple(problems))


def _columns(header: Sequence[Cell], language: str) -> dict[str, int]:
    titles = {_title(cell): index for index, cell in reversed(list(enumerate(header)))}
    found = {
        name: titles[title]
        for name, aliases in COLUMNS.items()
        for title in map(_title, reversed((*aliases, name)))
        if title in titles
    }
    missing = [COLUMNS[name][0 if language == "zh" else 1] for name in REQUIRED if name not in found]
    if missing:
        between = "、" if language == "zh" else ", "
        raise UnreadableFile(f"The spreadsheet lacks these columns:\n{between.join(missing)}")
    return found


def _title(cell: Cell) -> str:
    return strip_separators(str(cell or "")).replace("_", "").casefold()


class _Stop(Exception):
    """One fault of a row, with its column."""

    def __init__(self, fault: Fault, column: str, value: str = "", **details: object) -> None:
        super().__init__(fault.name)
        self.fault, self.column, self.value, self.details = fault, column, value, details


class _Line:
    """One row while it is read. It collects the faults."""

    def __init__(self, number: int, cells: Mapping[str, Cell], font: ContractFont) -> None:
        self._number, self._cells, self._font = number, cells, font
        self._stops: list[_Stop] = []

    @property
    def empty(self) -> bool:
        return not any(self._text(name) for name in self._cells)

    def row(
        self, today: date, language: str, problems: list[RowProblem], seen: dict[tuple[str, ...], int]
    ) -> RosterRow | None:
        row = self._read(today)
        if row is not None and not self._stops:
            self._check_twice(row, seen)
        problems += [self._problem(stop, language) for stop in self._stops]
        return None if self._stops else row

    def _read(self, today: date) -> RosterRow | None:
        campus = self._required("campus", Fault.CAMPUS_MISSING)
        course = self._required("course", Fault.COURSE_MISSING)
        language = self._language()
        name, document = self._name("student"), self._document("student")
        born = self._birth_date(document)
        if born is None:
            return None
        signers = tuple(self._signers(is_minor(born, today), name, document, language))
        student = RosterStudent(name, document.id_type, document.number, born) if document else None
        if student is None:
            return None
        return RosterRow(self._number, campus, course, student, signers, self._text("external_id") or None)

    def _signers(self, minor: bool, name: str, document: IdDocument | None, language: str) -> Iterator[RosterSigner]:
        if not minor:
            phone = self._phone("student")
            if document is not None:
                yield RosterSigner("student", name, phone, document.id_type, document.number, "", language)
            return
        if not self._text("guardian_name"):
            self._stops.append(_Stop(Fault.GUARDIAN_MISSING, "guardian_name"))
            return
        for who in ("guardian", "guardian2"):
            if who == "guardian" or self._text("guardian2_name"):
                guardian, own, phone = self._name(who), self._document(who), self._phone(who)
                if own is not None:
                    relation = self._text(f"{who}_relation")
                    yield RosterSigner("guardian", guardian, phone, own.id_type, own.number, relation, language)

    def _check_twice(self, row: RosterRow, seen: dict[tuple[str, ...], int]) -> None:
        keys: list[tuple[str, ...]] = [("student", row.campus, row.course, row.student.id_type, row.student.id_number)]
        keys += [("external", row.external_id)] if row.external_id else []
        for key in keys:
            first = seen.setdefault(key, self._number)
            if first != self._number:
                column = "external_id" if key[0] == "external" else "student_id_number"
                self._stops.append(_Stop(Fault.DUPLICATE, column, mask_id(key[-1]), row=first))
                return

    def _required(self, column: str, fault: Fault) -> str:
        text = self._text(column)
        if not text:
            self._stops.append(_Stop(fault, column))
        return text

    def _language(self) -> str:
        text = self._text("language")
        if text.casefold() not in _LANGUAGES:
            self._stops.append(_Stop(Fault.LANGUAGE, "language", text))
        return _LANGUAGES.get(text.casefold(), "zh")

    def _name(self, who: str) -> str:
        column = f"{who}_name"
        text = self._text(column)
        if not text:
            self._stops.append(_Stop(Fault.NAME_MISSING, column))
            return ""
        if wrong := self._font.undrawable(text):
            shown = ", ".join(map(describe, wrong))
            self._stops.append(_Stop(Fault.NAME_UNDRAWABLE, column, mask_name(text), characters=shown))
            return ""
        try:
            return normalise_name(text)
        except BadInput:
            self._stops.append(_Stop(Fault.NAME_WRONG, column, mask_name(text)))
            return ""

    def _document(self, who: str) -> IdDocument | None:
        try:
            return self._checked_document(who)
        except _Stop as stop:
            self._stops.append(stop)
            return None

    def _checked_document(self, who: str) -> IdDocument:
        column, cell = f"{who}_id_number", self._cells.get(f"{who}_id_number")
        id_type = _id_type(self._text(f"{who}_id_type"))
        if id_type is None:
            raise _Stop(Fault.ID_TYPE, f"{who}_id_type", self._text(f"{who}_id_type"))
        if isinstance(cell, float) and (abs(cell) >= _EXACT_FLOAT or id_type is IdType.CN_ID):
            raise _Stop(Fault.ID_LOST_DIGITS, column, mask_id(f"{cell:.0f}"))
        text = self._text(column)
        if not text:
            raise _Stop(Fault.ID_MISSING, column)
        try:
            return parse_id_document(id_type, text)
        except BadInput:
            raise _Stop(Fault.ID_WRONG, column, mask_id(strip_separators(text))) from None

    def _birth_date(self, document: IdDocument | None) -> date | None:
        column = "student_birth_date"
        cell, said = self._cells.get(column), document.birth_date if document else None
        written = _date(cell)
        if written is None and (self._text(column) or (document is not None and said is None)):
            self._stops.append(_Stop(Fault.BIRTH_DATE, column, self._text(column)[:20]))
            return None
        if written is not None and said is not None and written != said:
            self._stops.append(_Stop(Fault.BIRTH_DATE_DIFFERS, column, str(written)))
        return said or written

    def _phone(self, who: str) -> str:
        column = f"{who}_phone"
        text = self._text(column)
        if not text:
            self._stops.append(_Stop(Fault.PHONE_MISSING, column))
            return ""
        try:
            return normalise_phone(text)
        except BadInput:
            self._stops.append(_Stop(Fault.PHONE_WRONG, column, mask_id(strip_separators(text))))
            return ""

    def _text(self, column: str) -> str:
        """Return a cell as text, without the spaces and invisible characters that come with pasting.

        A whole number has no ".0".
        """
        cell = self._cells.get(column)
        if isinstance(cell, float):
            return f"{cell:.0f}" if cell.is_integer() else str(cell)
        return unicodedata.normalize("NFKC", str(cell or "")).replace("\u200b", "").replace("\ufeff", "").strip()

    def _problem(self, stop: _Stop, language: str) -> RowProblem:
        title = COLUMNS[stop.column][0 if language == "zh" else 1]
        what = stop.fault.what(language, **stop.details)
        code = stop.fault.name.lower().replace("_", "-")
        return RowProblem(self._number, title, stop.value, code, what, stop.fault.how(language))


def _id_type(text: str) -> IdType | None:
    wanted = text.casefold()
    return next((kind for kind, names in _ID_TYPES.items() if wanted == kind or wanted in names), None)


def _date(cell: Cell) -> date | None:
    """Return the date in a cell: as people write it, or as a number of days if the cell lost its format. None if
    invalid."""
    if isinstance(cell, float):
        if 1 <= cell < 80_000:
            return _SERIAL_ZERO + timedelta(days=int(cell))
        cell = f"{cell:.0f}"
    match = _DATE.fullmatch(unicodedata.normalize("NFKC", str(cell or "")).strip())
    if match is None:
        return None
    year, month, day = (int(group) for group in match.groups() if group)
    try:
        return date(year, month, day)
    except ValueError:
        return None
