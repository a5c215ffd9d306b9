"""Read a list of numbers that staff upload: a text file with one number a line, or a spreadsheet's first column."""

from __future__ import annotations

from functools import partial

from hub.documents.school.separated_text import decode_text
from hub.documents.school.spreadsheet import SPREADSHEETS, Cell, SpreadsheetReader, open_reader
from hub.errors import UnreadableFile

MAX_TEXT_BYTES = 1 << 20
# A spreadsheet keeps only fifteen digits of a number, so longer numbers have to be stored as text.
MAX_EXACT_NUMBER = 10**15


async def read_entries(data: bytes) -> list[str]:
    """Return one entry for each line. Empty lines are kept, so that line numbers stay right; a heading without digits
    becomes an empty entry.

    Raises UnreadableFile.
    """
    if not data.startswith(SPREADSHEETS):
        return _entries(_decoded(data).splitlines())
    async with open_reader() as reader:
        return _entries(await reader.in_turn(partial(_column, reader, data)))


def _entries(lines: list[str]) -> list[str]:
    cells = [line.split(",")[0].split("\t")[0].strip() for line in lines]
    if cells and not any(character.isdigit() for character in cells[0]):
        cells[0] = ""
    return cells


def _column(reader: SpreadsheetReader, data: bytes) -> list[str]:
    return [_words(row[0]) if row else "" for row in reader.rows(data)]


def _words(cell: Cell) -> str:
    if isinstance(cell, float):
        if abs(cell) >= MAX_EXACT_NUMBER:
            raise UnreadableFile("Long numbers have lost their last digits: format the column as text.")
        return str(int(cell))
    return str(cell or "")


def _decoded(data: bytes) -> str:
    if len(data) > MAX_TEXT_BYTES:
        raise UnreadableFile("The text is longer than 1 MB.")
    try:
        return decode_text(data)
    except ValueError:
        raise UnreadableFile("This is neither text nor a spreadsheet.") from None
