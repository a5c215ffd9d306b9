"""Write rosters as XLSX to download: a template to fill in, and a roster with its faults marked."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from hub.documents.school.roster_columns import COLUMNS, OF_FIRST_SIGNER, REQUIRED, RosterHeader
from hub.documents.school.roster_row import RowProblem
from hub.documents.school.spreadsheet import Cell, NumberedRow
from hub.documents.table_file import XlsxFile
from hub.model.school.course import Campus, Course

# The title of the last column in a marked sheet. An import ignores this column, so it need not be removed.
PROBLEMS = "问题 / Problems"
# Widths in characters.
_WIDTH, _PROBLEM_WIDTH = 18, 60
# The red of the seal, and a paler one as background of a cell.
_RED, _PALE = "#c8102e", "#fde8ea"
_NOTES = {
    "zh": ("校区和课程", "校区编号", "校区", "课程编号", "课程"),
    "en": ("Campuses and courses", "Campus id", "Campus", "Course id", "Course"),
}


class MarkedSheet(XlsxFile):
    """The original sheet, with all rows in their places, its faults in an added last column and their cells in red."""

    def __init__(self, header: RosterHeader, above: Sequence[NumberedRow]) -> None:
        super().__init__()
        self._column = len(header.titles)
        self._text = self._book.add_format({"num_format": "@"})
        self._bold = self._book.add_format({"num_format": "@", "bold": True})
        self._red = self._book.add_format({"num_format": "@", "bg_color": _PALE, "font_color": _RED})
        self._words = self._book.add_format({"font_color": _RED, "text_wrap": True, "valign": "top"})
        self._sheet.set_column(0, self._column, _WIDTH, self._text)
        self._sheet.set_column(self._column, self._column, _PROBLEM_WIDTH)
        for number, cells in above:
            self._write(number, cells, {}, self._bold if number == header.row else self._text)
            if number == header.row:
                self._sheet.write_string(number - 1, self._column, PROBLEMS, self._words)

    def add(self, row: NumberedRow, problems: Sequence[RowProblem]) -> None:
        number, cells = row
        self._write(number, cells, {each.index: self._red for each in problems if each.index is not None}, self._text)
        if problems:
            self._sheet.write_string(number - 1, self._column, "\n".join(map(_sentence, problems)), self._words)

    def _write(self, number: int, cells: Sequence[Cell], marked: dict[int, Any], plain: Any) -> None:
        """Write one row. A text stays text, so typed input never becomes a formula."""
        for index in range(self._column):
            cell, look = cells[index] if index < len(cells) else None, marked.get(index, plain)
            if isinstance(cell, float):
                self._sheet.write_number(number - 1, index, cell, look if index in marked else None)
            elif cell is None or cell == "":
                if index in marked:
                    self._sheet.write_blank(number - 1, index, None, look)
            else:
                self._sheet.write_string(number - 1, index, str(cell), look)


def _sentence(problem: RowProblem) -> str:
    return f"{problem.cell or problem.row} {problem.column}: {problem.what}. {problem.how}."


def template_sheet(courses: Sequence[tuple[Campus, Course]], language: str) -> bytes:
    """Return an empty roster and a list of the courses. Its columns are text, so that no number loses digits."""
    which = 0 if language == "zh" else 1
    with tempfile.TemporaryDirectory(prefix="qianda-roster-") as folder:
        path = Path(folder) / "roster.xlsx"
        with xlsxwriter.Workbook(path) as book:
            text = book.add_format({"num_format": "@"})
            bold = book.add_format({"num_format": "@", "bold": True, "bg_color": "#f1f5f9"})
            needed = book.add_format({"num_format": "@", "bold": True, "bg_color": "#f1f5f9", "font_color": _RED})
            sheet = book.add_worksheet("报名名单" if which == 0 else "Roster")
            columns = [name for name in COLUMNS if name not in OF_FIRST_SIGNER]
            sheet.set_column(0, len(columns) - 1, _WIDTH, text)
            sheet.freeze_panes(1, 0)
            for index, name in enumerate(columns):
                sheet.write_string(0, index, COLUMNS[name][which], needed if name in REQUIRED else bold)
            title, *titles = _NOTES["zh" if which == 0 else "en"]
            notes = book.add_worksheet(title)
            notes.set_column(0, len(titles) - 1, _WIDTH, text)
            notes.write_row(0, 0, titles, bold)
            for row, (campus, course) in enumerate(courses, start=1):
                names = (campus.name, course.name) if which == 0 else (campus.name_en, course.name_en)
                for index, value in enumerate((campus.id, names[0], course.id, names[1])):
                    notes.write_string(row, index, value)
        return path.read_bytes()
