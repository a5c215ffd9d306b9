"""Find fonts (TrueType, ISO 32000-2 9.6.5.4) in which programs take different letters for the same code.

Such a font has several tables from codes to letters, and names of letters (`post`). If nothing determines which of them
applies, programs choose differently. As in PDF/A (ISO 19005-2 6.2.11.6), a font of symbols has no encoding, and the
letters of another one are in the table for Unicode.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from qianda.pdf import Stream, TooComplex, Value
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.unpacking import FLATE, inflated

# Encodings by name that all programs know.
_NAMED: Final = ("/WinAnsiEncoding", "/MacRomanEncoding")
_BASES: Final = (None, "/StandardEncoding", *_NAMED)
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
_UNICODE, _MAC_ROMAN = (3, 1), (1, 0)
# Tables that all programs know, by platform and encoding.
_KINDS: Final = {_OF_SYMBOLS, _UNICODE, (3, 10), _MAC_ROMAN, (0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 6)}
# The version of a `post` without names.
_NO_NAMES: Final = 0x30000
Letters = Callable[[int], int]


class TrueTypeFonts:
    """The TrueType fonts of a document. Many of them may have the same file, which is read once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._alike = dict[tuple[int, bool], bool]()  # by the identity of the file, and whether letters have names
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
        if not isinstance(file, Stream):
            return True
        is_named = encoding is not None
        if is_named and (type(flags) is not int or flags & _SYMBOLIC or not _is_known(document, encoding)):
            return False
        if (id(file), is_named) not in self._alike:
            self._alike[id(file), is_named] = self._has_one_choice(file, is_named)
        return self._alike[id(file), is_named]

    def _has_one_choice(self, file: Stream, is_named: bool) -> bool:
        """Return whether only one letter can be meant by each code. `is_named`: the codes stand for names of letters,
        which programs look for in the table for Unicode, and otherwise in different places."""
        data = inflated(file.data) if file.entries.get("/Filter") in (FLATE, [FLATE]) else file.data
        self._count(0)
        try:
            font = memoryview(data or b"")
            tables = _tables(font)
            if is_named and _UNICODE in tables:
                self._read(font, tables[_UNICODE])
                return True
            if (is_named and tables.keys() != {_MAC_ROMAN}) or not tables.keys() <= _KINDS or _has_names(font):
                return False
            read = {kind: self._read(font, start) for kind, start in tables.items()}
            if _OF_SYMBOLS in read:
                read[_OF_SYMBOLS] = _or_symbol(read[_OF_SYMBOLS])
            return bool(read) and all(len({letters(code) for letters in read.values()}) == 1 for code in _CODES)
        except (struct.error, ValueError, IndexError):  # a damaged font
            return False

    def _read(self, font: memoryview, start: int) -> Letters:
        letters, parts = _letters(font[start:])
        self._count(parts)
        return letters

    def _count(self, parts: int) -> None:
        """Count a table with so many parts, or a file, which takes about as long as a table without any."""
        self._parts += _PARTS_OF_A_TABLE + parts
        if self._parts > MAX_PARTS:
            raise TooComplex


def _is_known(document: Document, encoding: Value) -> bool:
    """Return whether all programs know this encoding, or the one that it begins with."""
    return (document.entry(encoding, "/BaseEncoding") in _BASES) if isinstance(encoding, dict) else encoding in _NAMED


def _place(font: memoryview, name: bytes) -> int | None:
    """Return where a part of the font begins; None if it has no such part. Raises ValueError or struct.error."""
    (count,) = struct.unpack_from(">H", font, 4)
    if count > MAX_TABLES:
        raise ValueError("a font with too many tables")
    listed = (struct.unpack_from(">4s3L", font, 12 + 16 * number) for number in range(count))
    return next((offset for tag, _, offset, _ in listed if tag == name), None)


def _has_names(font: memoryview) -> bool:
    start = _place(font, b"post")
    return start is not None and struct.unpack_from(">L", font, start) != (_NO_NAMES,)


def _tables(font: memoryview) -> dict[tuple[int, int], int]:
    """Return where each table of codes begins, by platform and encoding.

    Raises ValueError or struct.error, also if they are not in order: of two tables of a kind, some programs take the
    first, others the last.
    """
    start = _place(font, b"cmap")
    if start is None:
        raise ValueError("a font without a table of codes")
    (tables,) = struct.unpack_from(">H", font, start + 2)
    if tables > MAX_TABLES:
        raise ValueError("a font with too many tables of codes")
    listed = [struct.unpack_from(">HHL", font, start + 4 + 8 * number) for number in range(tables)]
    kinds = [(platform, encoding) for platform, encoding, _ in listed]
    if sorted(set(kinds)) != kinds:
        raise ValueError("tables of codes that are not in order")
    return {kind: start + offset for kind, (_, _, offset) in zip(kinds, listed, strict=True)}


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
        _check_order([start for start, _, _ in groups])
        return (
            lambda code: next((glyph + code - start for start, end, glyph in groups if start <= code <= end), 0)
        ), count
    raise ValueError("a table of another format")


def _check_order(codes: Sequence[int]) -> None:
    """Raise ValueError for segments or groups that are not in order, among which programs find different ones."""
    if any(code >= following for code, following in pairwise(codes)):
        raise ValueError("a table that is not in order")


def _segments(table: memoryview) -> tuple[Letters, int]:
    (twice,) = struct.unpack_from(">H", table, 6)
    many, ends = f">{twice // 2}H", 14
    end, start = (struct.unpack_from(many, table, at) for at in (ends, ends + twice + 2))
    delta, offset = (struct.unpack_from(many, table, ends + 2 + part * twice) for part in (2, 3))
    _check_order(end)

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
