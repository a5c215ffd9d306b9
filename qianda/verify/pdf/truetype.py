"""Find fonts (TrueType, ISO 32000-2 9.6.5.4) in which programs take different letters for the same code.

Such a font has several tables from codes to letters. If nothing determines which table applies, or what the letters are
called, programs choose differently.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

from qianda.pdf import Stream, TooComplex
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.unpacking import FLATE, inflated

# Encodings by name, for which all programs choose the same table.
_NAMED: Final = ("/WinAnsiEncoding", "/MacRomanEncoding")
_CODES: Final = range(256)
_SYMBOLIC: Final = 4  # a bit of the flags (9.8.2)
MAX_TABLES, MAX_GROUPS = 64, 65_536
# The groups and segments in all tables of all files of a document. All codes are looked for in 50,000 of them in a
# second, and in a table without any as fast as in ten.
MAX_PARTS: Final = 200_000
_PARTS_OF_A_TABLE: Final = 10
# A table of format 6 states the letters one by one. They are only unpacked.
_NUMBERS_OF_A_PART: Final = 64
# Symbols have their codes here (OpenType, cmap, encoding 0 of platform 3).
_SYMBOLS, _OF_SYMBOLS = 0xF000, (3, 0)
Letters = Callable[[int], int]


class TrueTypeFonts:
    """The TrueType fonts of a document. Many of them may have the same file, which is read once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._alike = dict[int, bool]()  # by the identity of the file
        self._parts = 0

    def is_read_alike(self, font: Entries) -> bool:
        """Return whether all programs take the same letters for the codes of this font, if it is a simple font in the
        file. Raises TooComplex.

        All codes count, because a text may also use those for which the font states no width.
        """
        document = self._document
        if document.entry(font, "/Subtype") != "/TrueType":
            return True
        descriptor = document.dictionary(font, "/FontDescriptor")
        file = document.entry(descriptor, "/FontFile2")
        encoding, flags = document.entry(font, "/Encoding"), document.entry(descriptor, "/Flags")
        if not isinstance(file, Stream) or encoding in _NAMED:
            return True
        if isinstance(encoding, dict) and type(flags) is int and not flags & _SYMBOLIC:
            return True
        if id(file) not in self._alike:
            self._alike[id(file)] = self._do_tables_agree(file)
        return self._alike[id(file)]

    def _do_tables_agree(self, file: Stream) -> bool:
        data = inflated(file.data) if file.entries.get("/Filter") in (FLATE, [FLATE]) else file.data
        tables = list[Letters]()
        self._count(0)
        try:
            for letters, parts in _tables(memoryview(data or b"")):
                self._count(parts)
                tables.append(letters)
            return bool(tables) and all(len({letters(code) for letters in tables}) == 1 for code in _CODES)
        except (struct.error, ValueError, IndexError):  # a damaged font
            return False

    def _count(self, parts: int) -> None:
        """Count a table with so many parts, or a file, which takes about as long as a table without any."""
        self._parts += _PARTS_OF_A_TABLE + parts
        if self._parts > MAX_PARTS:
            raise TooComplex


def _tables(font: memoryview) -> Iterator[tuple[Letters, int]]:
    """Yield the letters by code of each table of the font, and how many groups or segments it has. Raises ValueError,
    struct.error or IndexError."""
    (count,) = struct.unpack_from(">H", font, 4)
    if count > MAX_TABLES:
        raise ValueError("a font with too many tables")
    listed = (struct.unpack_from(">4s3L", font, 12 + 16 * number) for number in range(count))
    start = next((offset for tag, _, offset, _ in listed if tag == b"cmap"), None)
    if start is None:
        raise ValueError("a font without a table of codes")
    (tables,) = struct.unpack_from(">H", font, start + 2)
    if tables > MAX_TABLES:
        raise ValueError("a font with too many tables of codes")
    for number in range(tables):
        platform, encoding, offset = struct.unpack_from(">HHL", font, start + 4 + 8 * number)
        letters, parts = _letters(font[start + offset :])
        yield _or_symbol(letters) if (platform, encoding) == _OF_SYMBOLS else letters, parts


def _or_symbol(letters: Letters) -> Letters:
    return lambda code: letters(_SYMBOLS + code) or letters(code)


def _letters(table: memoryview) -> tuple[Letters, int]:
    """Return the letters of a table of format 0, 4, 6 or 12 (OpenType, cmap), and how many parts it has: groups,
    segments or runs of letters. Raises ValueError for others."""
    (form,) = struct.unpack_from(">H", table)
    if form == 0:
        return (lambda code: table[6 + code] if code < 256 else 0), 0
    if form == 4:
        return _segments(table)
    if form == 6:
        first, count = struct.unpack_from(">HH", table, 6)
        numbers = struct.unpack_from(f">{count}H", table, 10)
        parts = count // _NUMBERS_OF_A_PART
        return (lambda code: numbers[code - first] if first <= code < first + count else 0), parts
    if form == 12:
        (count,) = struct.unpack_from(">L", table, 12)
        if count > MAX_GROUPS:
            raise ValueError("a table with too many groups")
        groups = list(struct.iter_unpack(">3L", table[16 : 16 + 12 * count]))
        return (
            lambda code: next((glyph + code - start for start, end, glyph in groups if start <= code <= end), 0)
        ), count
    raise ValueError("a table of another format")


def _segments(table: memoryview) -> tuple[Letters, int]:
    (twice,) = struct.unpack_from(">H", table, 6)
    many, ends = f">{twice // 2}H", 14
    end, start = (struct.unpack_from(many, table, at) for at in (ends, ends + twice + 2))
    delta, offset = (struct.unpack_from(many, table, ends + 2 + part * twice) for part in (2, 3))

    def letter(code: int) -> int:
        segment = next((number for number, last in enumerate(end) if code <= last), None)
        if segment is None or code < start[segment]:
            return 0
        if not offset[segment]:
            return int(code + delta[segment]) & 0xFFFF
        at = ends + 2 + 3 * twice + 2 * segment + offset[segment] + 2 * (code - start[segment])
        (glyph,) = struct.unpack_from(">H", table, at)
        return int(glyph + delta[segment]) & 0xFFFF if glyph else 0

    return letter, twice // 2
