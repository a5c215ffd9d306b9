"""Write a table as a file to download: XLSX or CSV. No cell becomes a live formula."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import xlsxwriter

Value = str | int | float | Decimal | datetime | None
# These first bytes tell a program that the text is UTF-8.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A cell that begins with one of these is a formula to the programs that open such files (OWASP, "CSV Injection"). The
# full-width forms are included, because some programs treat them like the others.
_BEGIN_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
_WIDTH = 18


class TableForm(StrEnum):
    """The form of a file, which is also the ending of its name."""

    CSV = "csv"
    XLSX = "xlsx"

    @property
    def content_type(self) -> str:
        sheet = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return "text/csv" if self is TableForm.CSV else sheet


class XlsxFile:
    """An XLSX file with one sheet. Each row is written to disk at once, so memory use does not grow with the file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="qianda-table-")
        self._path = Path(self._folder.name) / "table.xlsx"
        self._book = xlsxwriter.Workbook(self._path, {"constant_memory": True, "tmpdir": self._folder.name})
        self._sheet = self._book.add_worksheet()

    def finish(self) -> bytes:
        """Return the file. No row can be added afterwards."""
        self._book.close()
        data = self._path.read_bytes()
        self._folder.cleanup()
        return data


class XlsxTable(XlsxFile):
    """A table as XLSX. Each moment is shown in its own time zone."""

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__()
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        self._sheet.set_column(0, len(titles) - 1, _WIDTH)
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        bold = self._book.add_format({"bold": True})
        for column, title in enumerate(titles):
            self._sheet.write_string(0, column, title, bold)

    def add(self, values: Sequence[Value]) -> None:
        """Add a row. A text stays text, even if it looks like a formula."""
        self._row += 1
        for column, value in enumerate(values):
            if isinstance(value, datetime):
                self._sheet.write_datetime(self._row, column, value.replace(tzinfo=None), self._moment)
            elif isinstance(value, (int, float, Decimal)):
                self._sheet.write_number(self._row, column, value)
            elif value:
                self._sheet.write_string(self._row, column, value)


def format_table(form: TableForm, titles: Sequence[str], rows: Iterable[Sequence[Value]]) -> bytes:
    """Return a whole table as a file: CSV in UTF-8 with a byte order mark, or XLSX."""
    if form is TableForm.CSV:
        return BYTE_ORDER_MARK + format_csv([titles, *rows])
    table = XlsxTable(titles)
    for row in rows:
        table.add(row)
    return table.finish()


def format_csv(rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows as CSV in UTF-8, without the byte order mark."""
    output = io.StringIO()
    csv.writer(output).writerows([_plain(value) for value in row] for row in rows)
    return output.getvalue().encode()


def _plain(value: Value) -> str | int | float | Decimal:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, str) and value.lstrip(" \u3000").startswith(_BEGIN_FORMULA):
        return f"'{value}"
    return "" if value is None else value
