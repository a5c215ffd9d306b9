"""Read the roster: a spreadsheet of enrolments. Bad rows are reported one by one, and never stop the good ones.

One of the first rows holds the titles (`roster_columns`). The columns may be in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from hub.documents.school.roster_columns import COLUMNS, RosterHeader, find_header
from hub.documents.school.spreadsheet import MAX_ROWS_ABOVE, NumberedRow, SpreadsheetReader
from hub.errors import UnreadableFile


class OpenRoster:
    """A roster whose titles have been read, and whose rows can be read once. `above`: the rows down to the titles."""

    def __init__(self, header: RosterHeader, first: list[NumberedRow], rest: Iterator[NumberedRow]) -> None:
        self.header = header
        self.above = [row for row in first if row[0] <= header.row]
        self._below = chain((row for row in first if row[0] > header.row), rest)

    def rows(self, language: str, *, given: frozenset[str] = frozenset()) -> Iterator[NumberedRow]:
        """Yield the filled rows below the titles. Raises UnreadableFile if a column is neither there nor in `given`."""
        missing = [COLUMNS[each][0 if language == "zh" else 1] for each in self.header.missing if each not in given]
        if missing:
            between = "、" if language == "zh" else ", "
            raise UnreadableFile(f"The spreadsheet lacks these columns:\n{between.join(missing)}")
        return self._below


def open_roster(spreadsheets: SpreadsheetReader, data: bytes, chosen: Mapping[str, str] | None = None) -> OpenRoster:
    """Read the titles of a roster. `chosen`: columns by folded title, as people chose them earlier.

    Raises UnreadableFile if the file is no spreadsheet or is too large. Reading the rows may raise it too.
    """
    rows = iter(spreadsheets.filled_rows(data))
    first = list(islice(rows, MAX_ROWS_ABOVE))
    return OpenRoster(find_header(first, chosen or {}), first, rows)
