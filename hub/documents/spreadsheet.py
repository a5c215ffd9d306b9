"""The cells of an uploaded spreadsheet, read in a limited child.

A spreadsheet is a zip file: its unpacked size is limited before it is opened, and the child's memory limits what its
directory conceals.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from io import BytesIO

from python_calamine import CalamineError, CalamineWorkbook

from hub.documents.child import ChildFailed, LimitedChild, Limits, serve
from hub.errors import UnreadableFile

MAX_BYTES = 20 * 1024 * 1024
MAX_ROWS = 50_000  # below the header
MAX_COLUMNS = 100
MAX_UNPACKED = 400 * 1024 * 1024
LIMITS = Limits(memory_bytes=1024 * 1024 * 1024, cpu_seconds=60, seconds=90)

# Dates are ISO text; every number is a float, as in spreadsheets.
Cell = str | float | bool | None


class SpreadsheetReader:
    """A reader of a spreadsheet's first sheet. One per process is enough; threads that share it take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._child = LimitedChild(__name__, limits)

    def rows(self, data: bytes) -> list[list[Cell]]:
        """Return the rows of the first sheet, from its row 1.

        Raises UnreadableFile (.xlsx, .xls and .ods can be read).
        """
        if len(data) > MAX_BYTES:
            raise UnreadableFile(f"The file has more than {MAX_BYTES // 1024 // 1024} MB.")
        try:
            rows: list[list[Cell]] = json.loads(self._child.ask(data))
        except ChildFailed as error:
            raise UnreadableFile(f"The spreadsheet could not be read:\n{error}") from None
        return rows

    def close(self) -> None:
        self._child.close()


def _answer(data: bytes) -> bytes:
    _check_unpacked(data)
    with CalamineWorkbook.from_filelike(BytesIO(data)) as workbook:
        sheet = workbook.get_sheet_by_index(0)
        last_row, last_column = sheet.end or (0, 0)
        if last_row > MAX_ROWS:
            raise ValueError(f"it has more than {MAX_ROWS:,} rows")
        if last_column >= MAX_COLUMNS:
            raise ValueError(f"it has more than {MAX_COLUMNS} columns")
        rows = [_cells(row) for row in sheet.to_python(skip_empty_area=False)]
    return json.dumps(rows, ensure_ascii=False).encode()


def _check_unpacked(data: bytes) -> None:
    if not data.startswith(b"PK"):
        return
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if sum(item.file_size for item in archive.infolist()) > MAX_UNPACKED:
            raise ValueError("it would unpack to too much")


def _cells(row: Sequence[object]) -> list[Cell]:
    return [_cell(value) for value in row]


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
    serve(_answer, (CalamineError, ValueError, zipfile.BadZipFile, IndexError))
