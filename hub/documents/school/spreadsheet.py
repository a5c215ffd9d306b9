"""Read the cells of an uploaded spreadsheet in a limited child.

A spreadsheet is a zip file. Its unpacked size is checked before it is opened, and the child's memory limit applies if
the zip directory states wrong sizes. The child keeps the sheet open and returns its filled rows in batches, so that the
hub never holds all of them.
"""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime, time, timedelta
from io import BytesIO
from itertools import islice

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from hub.documents.child import ChildFailed, LimitedChild, Limits, serve
from hub.documents.school.ods_merges import Area, find_merged_areas
from hub.documents.school.separated_text import rows_of_text
from hub.errors import ManyChecks, UnreadableFile

MAX_BYTES = 20 * 1024 * 1024
# The most filled rows below the titles. Empty rows do not count.
MAX_ROWS = 50_000
# The titles, and the lines that people write above them.
MAX_ROWS_ABOVE = 11
MAX_COLUMNS = 100
# The most characters in all cells of a row: the hub holds ROWS_IN_BATCH of them.
MAX_ROW_LENGTH = 20_000
MAX_UNPACKED = 400 * 1024 * 1024
# How many rows one answer of the child holds.
ROWS_IN_BATCH = 500
LIMITS = Limits(memory_bytes=1024 * 1024 * 1024, cpu_seconds=60, seconds=90)

# Children of one process that read for the event loop at the same time. Each may take the memory and time of LIMITS.
MAX_OPEN_SHEETS = 2
_TURNS = threading.BoundedSemaphore(MAX_OPEN_SHEETS)
# Readers of one process that are open or wait for their turn. Each keeps its file in memory.
MAX_READERS = 12
RETRY_AFTER = timedelta(minutes=1)
OPEN_READERS = set["SpreadsheetReader"]()

# What is said of a file that cannot be opened, whatever the library says. One with a password is like a damaged one.
NO_SPREADSHEET = "it is damaged, protected by a password, or no spreadsheet"
# The first bytes of .xlsx and .ods files, and of .xls files. Anything else is read as text.
SPREADSHEETS = (b"PK", b"\xd0\xcf\x11\xe0")
_OPEN, _NEXT = b"O", b"N"

# Dates are ISO text; every number is a float, as in spreadsheets.
Cell = str | float | bool | None
# The number of a row, as the spreadsheet shows it, and its cells.
NumberedRow = tuple[int, list[Cell]]


class SpreadsheetReader(LimitedChild):
    """A reader of the first visible sheet with content. It reads one sheet at a time, for one thread."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(__name__, limits)
        self._has_turn = False

    def begin(self) -> None:
        """Wait until fewer than MAX_OPEN_SHEETS are open. Only this reader's own thread waits."""
        self._has_turn = _TURNS.acquire()

    def end(self) -> None:
        """End the child and let the next reader begin."""
        try:
            self.close()
        finally:
            if self._has_turn:
                self._has_turn = False
                _TURNS.release()
            OPEN_READERS.discard(self)

    def end_after_all(self) -> None:
        """Have the reader's thread call `end` after all steps that it was given before. The caller does not wait, so
        `end` is called even if the caller is cancelled."""
        self._thread.submit(self.end)

    def filled_rows(self, data: bytes) -> Iterator[NumberedRow]:
        """Yield the filled rows. In a merged area, the first cell's value is repeated in the rows below.

        Raises UnreadableFile (.xlsx, .xls, .ods and text with separated values can be read).
        """
        if len(data) > MAX_BYTES:
            raise UnreadableFile(f"The file has more than {MAX_BYTES // 1024 // 1024} MB.")
        self._ask(_OPEN + data)
        while batch := json.loads(self._ask(_NEXT)):
            yield from ((number, cells) for number, cells in batch)

    def rows(self, data: bytes) -> list[list[Cell]]:
        """Return all rows from row 1 to the last filled one. Empty rows between them have no cells.

        Raises UnreadableFile, also if there are too many rows.
        """
        rows: list[list[Cell]] = []
        for number, cells in self.filled_rows(data):
            if number > MAX_ROWS + MAX_ROWS_ABOVE:
                raise UnreadableFile(f"The spreadsheet could not be read:\nit has more than {MAX_ROWS:,} rows")
            rows += [[] for _ in range(number - len(rows) - 1)]
            rows.append(cells)
        return rows

    def _ask(self, question: bytes) -> bytes:
        try:
            return self.ask(question)
        except ChildFailed as error:
            raise UnreadableFile(f"The spreadsheet could not be read:\n{error}") from None


@asynccontextmanager
async def open_reader() -> AsyncIterator[SpreadsheetReader]:
    """Yield a reader for one sheet, as soon as it is its turn. Its steps belong into `in_turn`.

    Raises ManyChecks if MAX_READERS are open or wait.
    """
    if len(OPEN_READERS) >= MAX_READERS:
        raise ManyChecks(retry_after=RETRY_AFTER)
    reader = SpreadsheetReader()
    OPEN_READERS.add(reader)
    try:
        await reader.in_turn(reader.begin)
        yield reader
    finally:
        reader.end_after_all()


# ---- in the child


class _OpenSheet:
    """The sheet that the child reads, and how far it has read."""

    def __init__(self) -> None:
        self._rows: Iterator[NumberedRow] = iter(())

    def answer(self, question: bytes) -> bytes:
        if question.startswith(_OPEN):
            self._rows = _filled(question[1:])
            return b""
        try:
            return json.dumps(list(islice(self._rows, ROWS_IN_BATCH)), ensure_ascii=False).encode()
        except (CalamineError, zipfile.BadZipFile, IndexError) as error:  # the library's words are English only
            raise ValueError(NO_SPREADSHEET) from error


def _filled(data: bytes) -> Iterator[NumberedRow]:
    count = 0
    for number, cells in _read_workbook(data) if data.startswith(SPREADSHEETS) else _read_text(data):
        count += 1
        if count > MAX_ROWS + MAX_ROWS_ABOVE:
            raise ValueError(f"it has more than {MAX_ROWS:,} rows")
        if len(cells) > MAX_COLUMNS:
            raise ValueError(f"it has more than {MAX_COLUMNS} columns")
        if sum(len(cell) for cell in cells if isinstance(cell, str)) > MAX_ROW_LENGTH:
            raise ValueError(f"a row has more than {MAX_ROW_LENGTH:,} characters")
        yield number, cells
    if not count:
        raise ValueError("it is empty")


def _read_text(data: bytes) -> Iterator[NumberedRow]:
    for number, row in enumerate(rows_of_text(data), start=1):
        if cells := _without_blank_end(row):
            yield number, cells


def _read_workbook(data: bytes) -> Iterator[NumberedRow]:
    _check_unpacked(data)
    with CalamineWorkbook.from_filelike(BytesIO(data)) as workbook:
        for place, about in enumerate(workbook.sheets_metadata):
            if about.typ == SheetTypeEnum.WorkSheet and about.visible == SheetVisibleEnum.Visible:
                sheet = workbook.get_sheet_by_index(place)
                rows = _read_sheet(sheet, sheet.merged_cell_ranges or _areas_of_ods(data, place))
                if first := next(rows, None):
                    yield first
                    yield from rows
                    return


def _areas_of_ods(data: bytes, place: int) -> list[Area]:
    return find_merged_areas(data, place) if data.startswith(b"PK") else []


def _read_sheet(sheet: CalamineSheet, areas: Iterable[Area]) -> Iterator[NumberedRow]:
    merged = _MergedCells(areas)
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if row.count("") == len(row):  # a fast check, because a million blank rows may follow the last one
            continue
        cells = _without_blank_end([_cell(value) for value in row])
        merged.remember(number, cells)
        if cells:
            yield number, merged.fill(number, cells)


class _MergedCells:
    """The merged areas. The value of an area's first cell also counts for the cells below it, in rows that are not
    empty."""

    def __init__(self, areas: Iterable[Area]) -> None:
        self._areas = sorted((top + 1, bottom + 1, left) for (top, left), (bottom, _) in areas if bottom > top)
        self._open: dict[int, tuple[int, Cell]] = {}  # by column: the last row of the area, and its value
        self._next = 0

    def remember(self, number: int, cells: Sequence[Cell]) -> None:
        """Remember the areas that begin in this row."""
        while self._next < len(self._areas) and self._areas[self._next][0] <= number:
            _, bottom, column = self._areas[self._next]
            inside = self._areas[self._next][0] == number and column < len(cells)
            self._open[column] = bottom, cells[column] if inside else None
            self._next += 1

    def fill(self, number: int, cells: list[Cell]) -> list[Cell]:
        for column, (bottom, value) in self._open.items():
            if number <= bottom and value is not None:
                cells += [None] * (column + 1 - len(cells))
                cells[column] = value
        return cells


def _check_unpacked(data: bytes) -> None:
    if not data.startswith(b"PK"):
        return
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_UNPACKED:
            raise ValueError("it would unpack to too much")


def _without_blank_end(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells up to the last one that holds more than spaces."""
    length = len(cells)
    while length and (cells[length - 1] is None or not str(cells[length - 1]).strip("\u200b\ufeff \t\r\n\u3000\xa0")):
        length -= 1
    return list(cells[:length])


def _cell(value: object) -> Cell:
    match value:
        case bool() | str():
            return value
        case int() | float():
            return float(value)
        case datetime():
            return value.date().isoformat()
        case date():
            return value.isoformat()
        case time() | timedelta():
            return str(value)
    return None


if __name__ == "__main__":
    serve(_OpenSheet().answer, (ValueError,))
