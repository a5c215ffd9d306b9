"""Read and check one row of a roster, and report all its faults by cell. Pure except for the font's characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from hub.documents.fonts import ContractFont, describe
from hub.documents.school.roster_columns import COLUMNS, RosterHeader, column_letter
from hub.documents.school.roster_faults import Fault
from hub.documents.school.spreadsheet import Cell, NumberedRow
from hub.errors import BadInput
from hub.model.contract.person import (
    IdDocument,
    IdType,
    can_be_birth_date,
    check_address,
    is_minor,
    mask_email,
    mask_id,
    mask_name,
    normalise_name,
    normalise_phone,
    parse_id_document,
    strip_separators,
)
from hub.model.school.school_names import NameNotFound, SchoolNames

_ID_TYPES = {
    IdType.CN_ID: ("", "身份证", "居民身份证", "中国居民身份证", "chinese id card", "id card"),
    IdType.PASSPORT: ("护照", "外国护照"),
    IdType.HK_MACAU_PERMIT: ("港澳通行证", "港澳居民来往内地通行证", "回乡证"),
    IdType.TAIWAN_PERMIT: ("台湾通行证", "台湾居民来往大陆通行证", "台胞证"),
    IdType.FOREIGN_PERMANENT_ID: ("外国人永久居留身份证", "外国人永久居留证"),
}
_LANGUAGES = {"": "zh", "zh": "zh", "中文": "zh", "chinese": "zh", "en": "en", "英文": "en", "english": "en"}
# The lengths of document numbers that consist of digits only.
_DIGITS = {IdType.TAIWAN_PERMIT: (8, 10), IdType.PASSPORT: (9,)}
_EXACT_FLOAT = 10**15  # spreadsheets keep only fifteen digits of a number
# A number as a spreadsheet shows it in a narrow column and saves it as text. Its last digits are lost.
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})(?:\D.*)?|(\d{4})(\d\d)(\d\d)")
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of a spreadsheet's dates
# The beginning of a row in which a spreadsheet adds up what stands above.
_TOTAL = re.compile(r"[合总小共]\s*计|总人数|((grand|sub)[ -]?)?total\b", re.IGNORECASE)
# How many characters of a value are shown next to its fault.
MAX_SHOWN_LENGTH = 60


@dataclass(frozen=True)
class RosterStudent:
    name: str
    id_type: str
    id_number: str
    birth_date: date


@dataclass(frozen=True)
class RosterSigner:
    """A signer in a roster. `role` is `student` or `guardian`; `phone` is E.164; `email` may be empty."""

    role: str
    name: str
    phone: str
    id_type: str
    id_number: str
    relation: str
    language: str
    email: str


@dataclass(frozen=True)
class RosterRow:
    """A valid row. `number` is the row number in the spreadsheet; `campus` and `course` are ids."""

    number: int
    campus: str
    course: str
    student: RosterStudent
    signers: tuple[RosterSigner, ...]
    external_id: str | None


@dataclass(frozen=True)
class RowProblem:
    """A fault in a row.

    `cell`: such as D7; empty if the sheet has no such column. `value` is masked. `code` identifies the fault, for
    example `phone-wrong`. `what` and `how` are sentences for staff. `index`: the position of the column, from 0.
    """

    row: int
    cell: str
    column: str
    value: str
    code: str
    what: str
    how: str
    index: int | None = None

    def __str__(self) -> str:
        """Return the fault in one line for a terminal."""
        where = f"{self.cell or f'Row {self.row}'}, {self.column}"
        return f"{where}: {self.what}{f' ({self.value})' if self.value else ''}. {self.how}."


class RowChecker:
    """A checker for the rows of one roster, in order. It remembers the earlier rows, to find duplicates.

    `font` is the contracts' font. A name that it cannot show is refused here, because no contract could be drawn with
    it.
    """

    def __init__(
        self, header: RosterHeader, names: SchoolNames, font: ContractFont, now: datetime, language: str = "zh"
    ) -> None:
        self._header, self._names, self._font, self._now = header, names, font, now
        self._language = language
        self._seen: dict[str, int] = {}

    def check(self, row: NumberedRow) -> tuple[RosterRow | None, list[RowProblem]]:
        """Return the row, or None and all of its faults."""
        number, cells = row
        columns = {name: cells[index] for name, index in self._header.columns.items() if index < len(cells)}
        line = _Line(number, columns, self._font, self._names)
        if not columns.get("student_id_number") and _begins_with_total(cells):
            line.stops.append(_Stop(Fault.TOTAL_ROW, "student_name"))
            read = None
        else:
            read = line.read(self._now)
        if read is not None and not line.stops:
            line.check_twice(read, self._seen)
        problems = [self._problem(number, stop) for stop in line.stops]
        return (None if problems else read), problems

    def _problem(self, number: int, stop: _Stop) -> RowProblem:
        title = COLUMNS[stop.column][0 if self._language == "zh" else 1]
        details = stop.details | {"offered": Fault.offer(stop.offered, self._language)}
        index = self._header.place(stop.column)
        return RowProblem(
            row=number,
            cell="" if index is None else f"{column_letter(index)}{number}",
            column=title,
            value=stop.value[:MAX_SHOWN_LENGTH],
            code=stop.fault.name.lower().replace("_", "-"),
            what=stop.fault.what(self._language, **details),
            how=stop.fault.how(self._language),
            index=index,
        )


class _Stop(Exception):
    """A fault of a row, with its column. `offered`: possible corrections."""

    def __init__(self, fault: Fault, column: str, value: str = "", **details: object) -> None:
        super().__init__(fault.name)
        self.fault, self.column, self.value, self.details = fault, column, value, details
        self.offered: tuple[str, ...] = ()


class _Line:
    """One row while it is being read. It collects the faults."""

    def __init__(self, number: int, cells: Mapping[str, Cell], font: ContractFont, names: SchoolNames) -> None:
        self._number, self._cells, self._font, self._names = number, cells, font, names
        self.stops: list[_Stop] = []
        self._guardians: dict[str, IdDocument] = {}

    def read(self, now: datetime) -> RosterRow | None:
        """Return the row if it can be read as a whole; otherwise None. `stops` has its faults."""
        campus = self._campus()
        today = self._names.day_at(campus, now)
        course = self._course(campus)
        language = self._language()
        name, document = self._name("student"), self._document("student")
        born = self._birth_date(document, today)
        # Without a birth date it is unknown whether a guardian is needed. If a guardian is entered, they are checked.
        minor = is_minor(born, today) if born else self._any("guardian_name", "guardian_id_number")
        if document and born and not minor and self._guardian_is_minor(today):
            self.stops.append(_Stop(Fault.DOCUMENTS_SWAPPED, "student_id_number", mask_id(document.number)))
            return None
        signers = tuple(self._signers(minor, name, document, language))
        for who, guardian in self._guardians.items():
            if guardian == document or (guardian.birth_date and is_minor(guardian.birth_date, today)):
                self.stops.append(_Stop(Fault.GUARDIAN_WRONG, f"{who}_id_number", mask_id(guardian.number)))
        if born is None or document is None:
            return None
        student = RosterStudent(name, document.id_type, document.number, born)
        return RosterRow(self._number, campus, course, student, signers, self._text("external_id") or None)

    def _signers(self, minor: bool, name: str, document: IdDocument | None, language: str) -> Iterator[RosterSigner]:
        if not minor:
            phone, email = self._phone("student"), self._email("student")
            if document is not None:
                yield RosterSigner("student", name, phone, document.id_type, document.number, "", language, email)
            return
        if not self._any("guardian_name", "guardian_id_number", "guardian_phone"):
            self.stops.append(_Stop(Fault.GUARDIAN_MISSING, "guardian_name"))
            return
        yield from self._guardian("guardian", language)
        if self._any("guardian2_name", "guardian2_id_number", "guardian2_phone"):
            yield from self._guardian("guardian2", language)

    def _guardian(self, who: str, language: str) -> Iterator[RosterSigner]:
        guardian, own, phone, email = self._name(who), self._document(who), self._phone(who), self._email(who)
        if own is not None:
            self._guardians[who] = own
            relation = self._text(f"{who}_relation")
            yield RosterSigner("guardian", guardian, phone, own.id_type, own.number, relation, language, email)

    def _guardian_is_minor(self, today: date) -> bool:
        try:
            born = self._checked_document("guardian").birth_date
        except _Stop:  # an adult's row needs no guardian: what it says of one is not checked
            return False
        return born is not None and is_minor(born, today)

    def _any(self, *columns: str) -> bool:
        return any(self._text(each) for each in columns)

    # ---- campus and course

    def _campus(self) -> str:
        text = self._text("campus")
        if not text and self._names.only_campus:
            return self._names.only_campus
        return self._named("campus", Fault.CAMPUS_MISSING, Fault.CAMPUS_UNKNOWN, self._names.find_campus)

    def _course(self, campus: str) -> str:
        if not campus:  # without a campus, a course can only be found missing
            return self._named("course", Fault.COURSE_MISSING, Fault.COURSE_UNKNOWN, str)
        find = partial(self._names.find_course, campus)
        return self._named("course", Fault.COURSE_MISSING, Fault.COURSE_UNKNOWN, find)

    def _named(self, column: str, missing: Fault, unknown: Fault, find: Callable[[str], str]) -> str:
        text = self._text(column)
        if not text:
            self.stops.append(_Stop(missing, column))
            return ""
        try:
            return find(text)
        except NameNotFound as error:
            fault = {"not-yours": Fault.CAMPUS_NOT_YOURS, "several": Fault.NAME_OF_SEVERAL}.get(error.reason, unknown)
            stop = _Stop(fault, column, text)
            stop.offered = error.offered
            self.stops.append(stop)
            return ""

    # ---- people

    def check_twice(self, row: RosterRow, seen: dict[str, int]) -> None:
        """Refuse a row that repeats an earlier row's student and course, or its external id. `seen`: rows by these
        values."""
        line = "\t".join((row.campus, row.course, row.student.id_type, row.student.id_number))
        keys = [(line, "student_id_number", row.student.id_number)]
        keys += [(f"\t{row.external_id}", "external_id", row.external_id)] if row.external_id else []
        for key, column, value in keys:
            first = seen.setdefault(key, self._number)
            if first != self._number:
                self.stops.append(_Stop(Fault.DUPLICATE, column, mask_id(value), row=first))
                return

    def _language(self) -> str:
        text = self._text("language")
        if text.casefold() not in _LANGUAGES:
            self.stops.append(_Stop(Fault.LANGUAGE, "language", text))
        return _LANGUAGES.get(text.casefold(), "zh")

    def _name(self, who: str) -> str:
        column = f"{who}_name"
        text = self._text(column)
        if not text:
            self.stops.append(_Stop(Fault.NAME_MISSING, column))
            return ""
        if wrong := self._font.undrawable(text):
            shown = ", ".join(map(describe, wrong))
            self.stops.append(_Stop(Fault.NAME_UNDRAWABLE, column, mask_name(text), characters=shown))
            return ""
        try:
            return normalise_name(text)
        except BadInput:
            self.stops.append(_Stop(Fault.NAME_WRONG, column, mask_name(text)))
            return ""

    def _document(self, who: str) -> IdDocument | None:
        try:
            return self._checked_document(who)
        except _Stop as stop:
            self.stops.append(stop)
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
        if _ROUNDED.fullmatch(text) and "+" in text:  # a passport may be 1234E567
            raise _Stop(Fault.ID_LOST_DIGITS, column, text)
        try:
            return parse_id_document(id_type, text)
        except BadInput:
            fault = Fault.ID_LOST_ZEROS if _lost_zeros(cell, id_type) else Fault.ID_WRONG
            raise _Stop(fault, column, mask_id(strip_separators(text))) from None

    def _birth_date(self, document: IdDocument | None, today: date) -> date | None:
        column = "student_birth_date"
        cell, said = self._cells.get(column), document.birth_date if document else None
        written = _date(cell)
        if written is None and (self._text(column) or (document is not None and said is None)):
            self.stops.append(_Stop(Fault.BIRTH_DATE, column, self._text(column)[:20]))
            return None
        if written is not None and said is not None and written != said:
            self.stops.append(_Stop(Fault.BIRTH_DATE_DIFFERS, column, str(written)))
        born = said or written
        if born is not None and not can_be_birth_date(born, today):
            self.stops.append(_Stop(Fault.BIRTH_DATE_IMPOSSIBLE, column if said is None else "student_id_number"))
        return born

    def _phone(self, who: str) -> str:
        column, text = self._contact(who, "phone")
        if not text:
            self.stops.append(_Stop(Fault.PHONE_MISSING, column))
            return ""
        if _ROUNDED.fullmatch(text):
            self.stops.append(_Stop(Fault.PHONE_LOST_DIGITS, column, text))
            return ""
        try:
            return normalise_phone(text)
        except BadInput:
            self.stops.append(_Stop(Fault.PHONE_WRONG, column, mask_id(strip_separators(text))))
            return ""

    def _email(self, who: str) -> str:
        """Return the e-mail address; empty if none is entered."""
        column, text = self._contact(who, "email")
        try:
            return check_address(text) if text else ""
        except BadInput:
            self.stops.append(_Stop(Fault.EMAIL_WRONG, column, mask_email(text)))
            return ""

    def _contact(self, who: str, what: str) -> tuple[str, str]:
        """Return the column of a person's phone or e-mail address, and its text. The first signer's may be in a column
        without a person's name."""
        column = f"{who}_{what}"
        if who != "guardian2" and not self._text(column) and self._text(what):
            column = what
        return column, self._text(column)

    def _text(self, column: str) -> str:
        """Return a cell as text, without the spaces and invisible characters that copying and pasting adds.

        A whole number has no ".0".
        """
        cell = self._cells.get(column)
        if isinstance(cell, float):
            return f"{cell:.0f}" if cell.is_integer() else str(cell)
        return unicodedata.normalize("NFKC", str(cell or "")).replace("\u200b", "").replace("\ufeff", "").strip()


def _begins_with_total(cells: Sequence[Cell]) -> bool:
    first = next((str(cell) for cell in cells if cell not in (None, "")), "")
    return _TOTAL.match(unicodedata.normalize("NFKC", first).strip()) is not None


def _lost_zeros(cell: Cell, id_type: IdType) -> bool:
    """Return whether this number would be a valid document number of this kind with leading zeros."""
    length = len(f"{cell:.0f}") if isinstance(cell, float) else 0
    return 0 < length < max(_DIGITS.get(id_type, (0,)))


def _id_type(text: str) -> IdType | None:
    wanted = text.casefold()
    return next((kind for kind, names in _ID_TYPES.items() if wanted == kind or wanted in names), None)


def _date(cell: Cell) -> date | None:
    """Return the date in a cell: a date as people write it, or a number of days if the cell lost its format. None if it
    is invalid."""
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
