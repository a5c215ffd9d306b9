"""Find the merged cells of an OpenDocument sheet, which calamine does not report. Runs in a limited child."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from xml.parsers import expat

# The first and the last cell, each as row and column from 0.
Area = tuple[tuple[int, int], tuple[int, int]]

_TABLE_SPACE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
_TABLE, _ROW, _CELL, _COVERED = (
    f"{_TABLE_SPACE} {name}" for name in ("table", "table-row", "table-cell", "covered-table-cell")
)
_ROWS_REPEATED, _COLUMNS_REPEATED, _ROWS_SPANNED = (
    f"{_TABLE_SPACE} number-{name}" for name in ("rows-repeated", "columns-repeated", "rows-spanned")
)
_CONTENT = "content.xml"


def find_merged_areas(data: bytes, place: int) -> list[Area]:
    """Return the areas of several rows in the sheet at this position (from 0). Raises ValueError for malformed XML."""
    with zipfile.ZipFile(BytesIO(data)) as archive:
        if _CONTENT not in archive.namelist():  # an .xlsx file, whose areas calamine reports
            return []
        areas = _MergedAreas(place)
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler, parser.EndElementHandler = areas.begin, areas.end
        with archive.open(_CONTENT) as content:
            try:
                parser.ParseFile(content)
            except expat.ExpatError:
                raise ValueError("its content is damaged") from None
    return areas.found


class _MergedAreas:
    """Collects the areas from the elements of a document as they are read, and keeps nothing else."""

    def __init__(self, place: int) -> None:
        self.found: list[Area] = []
        self._wanted, self._sheet, self._depth = place, -1, 0
        self._row = self._next_row = self._column = 0

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == _TABLE:
            self._depth += 1
            self._sheet += self._depth == 1  # a chart inside a sheet has its own tables
        if self._sheet != self._wanted or self._depth != 1:
            return
        if name == _ROW:
            self._row, self._column = self._next_row, 0
            self._next_row += int(attributes.get(_ROWS_REPEATED, 1))
        elif name in (_CELL, _COVERED):
            spanned = int(attributes.get(_ROWS_SPANNED, 1))
            if spanned > 1:
                self.found.append(((self._row, self._column), (self._row + spanned - 1, self._column)))
            self._column += int(attributes.get(_COLUMNS_REPEATED, 1))

    def end(self, name: str) -> None:
        self._depth -= name == _TABLE
