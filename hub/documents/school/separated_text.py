"""Read the rows of a CSV file as WPS, Excel and Numbers write it. Pure, and run in a limited child."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import islice

# Excel uses a semicolon where the decimal separator is a comma, and a tab in what it calls Unicode text.
SEPARATORS = (",", ";", "\t")
# Number of rows from which the separator is guessed.
GUESS_ROWS = 20
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Two ways in which people keep Excel from turning a text into a number: ="0123" or '0123.
_KEPT_AS_TEXT = re.compile(r'="(.*)"|\'(.*)', re.DOTALL)


def rows_of_text(data: bytes) -> Iterator[list[str]]:
    """Yield the rows of a text in UTF-8, UTF-16 or GB18030 (which contains GBK), including empty ones.

    Raises ValueError, whose message may be shown, if it is no text or a quotation mark is not closed.
    """
    text = decode_text(data)
    first, _, rest = text.partition("\n")
    if said := re.fullmatch(r"sep=(.)\r?", first):  # Excel's way to state the separator
        yield []
        text, separator = rest, said[1]
    else:
        separator = max(SEPARATORS, key=lambda each: _count_fields(text, each))
    try:
        for row in csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True):
            yield [_as_typed(cell) for cell in row]
    except csv.Error:
        raise ValueError("a quotation mark is not closed, or one value is too long") from None


def decode_text(data: bytes) -> str:
    """Return a text in UTF-8, UTF-16 or GB18030, as offices save it. Raises ValueError if it is none."""
    encodings = [encoding for mark, encoding in _MARKS.items() if data.startswith(mark)] or ["utf-8", "gb18030"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not _NO_TEXT.search(text):
            return text
    raise ValueError("it is neither a spreadsheet nor text in UTF-8 or GBK")


def _count_fields(text: str, separator: str) -> int:
    try:
        rows = csv.reader(text[:100_000].splitlines(keepends=True), delimiter=separator)
        return sum(len(row) for row in islice(rows, GUESS_ROWS))
    except csv.Error:
        return 0


def _as_typed(cell: str) -> str:
    kept = _KEPT_AS_TEXT.fullmatch(cell.strip())
    return (kept[1] or kept[2] or "") if kept else cell
