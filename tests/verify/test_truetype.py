"""Fonts in which a code of a text is another letter for pdfium than for Poppler or MuPDF."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable
from fontTools.ttLib.tables._g_l_y_f import Glyph
from fontTools.ttLib.tables.DefaultTable import DefaultTable

from qianda.pdf import TooComplex
from qianda.verify.pdf import truetype
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, drawn
from tests.verify.readers import READERS
from tests.verify.sample_page import CONTENT, FONT, written

# Codes to letters, by platform, encoding and format of the table.
Tables = Mapping[tuple[int, int, int], Mapping[int, str]]
HIGH, LOW = {65: "A"}, {65: "B"}
TWO: Tables = {(3, 1, 4): HIGH, (1, 0, 0): LOW}
NAMED, OTHER_NAMES = b"/Encoding /WinAnsiEncoding", b"/Encoding << /Differences [65 /A] >>"


def letter(height: int) -> Glyph:
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for corner in ((0, height), (500, height), (500, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.glyph()


def font_file(tables: Tables, has_names: bool = False) -> bytes:
    """Return a font with a high letter A and a low letter B. `has_names`: it says that they are called so."""
    built, heights = FontBuilder(1000, isTTF=True), {".notdef": 10, "A": 900, "B": 100}
    built.setupGlyphOrder(list(heights))
    built.setupCharacterMap({})
    built.setupGlyf({name: letter(height) for name, height in heights.items()})
    built.setupHorizontalMetrics(dict.fromkeys(heights, (600, 0)))
    built.setupHorizontalHeader(ascent=900, descent=-100)
    built.setupPost(keepGlyphNames=has_names)
    built.font["cmap"].tables = []
    for (platform, encoding, form), codes in tables.items():
        table = CmapSubtable.newSubtable(form)
        table.platformID, table.platEncID, table.language, table.cmap = platform, encoding, 0, dict(codes)
        built.font["cmap"].tables.append(table)
    file = io.BytesIO()
    built.save(file)
    return file.getvalue()


def text_in(tables: Tables, encoding: bytes = b"", flags: int = 4, *, file: bytes = b"") -> Objects:
    file = file or font_file(tables)
    head = b"<< /Type /Font /Subtype /TrueType /BaseFont /X /FirstChar 65 /LastChar 66 /Widths [600 0] %b " % encoding
    descriptor = b"<< /Type /FontDescriptor /FontName /X /FontBBox [0 0 1000 1000] /ItalicAngle 0 /Ascent 900 "
    return {
        CONTENT: drawn(b"BT /F1 40 Tf 60 695 Td (AAAA) Tj ET"),
        FONT: head + b"/FontDescriptor %d 0 R >>" % NEW,
        NEW: descriptor + b"/Descent -100 /StemV 80 /Flags %d /FontFile2 %d 0 R >>" % (flags, NEW + 1),
        NEW + 1: drawn(file).replace(b"<<", b"<< /Length1 %d " % len(file), 1),
    }


def named(tables: Tables, encoding: bytes = b"", flags: int = 4) -> Objects:
    return text_in(tables, encoding, flags, file=font_file(tables, has_names=True))


def with_codes(tables: Mapping[tuple[int, int], bytes], encoding: bytes = NAMED, flags: int = 32) -> Objects:
    """Return a text in a font with these tables of codes, in this order."""
    listed, data = struct.pack(">HH", 0, len(tables)), b""
    for kind, table in tables.items():
        listed += struct.pack(">HHL", *kind, 4 + 8 * len(tables) + len(data))
        data += table
    font, file = TTFont(io.BytesIO(font_file({}))), io.BytesIO()
    font["cmap"] = DefaultTable("cmap")
    font["cmap"].data = listed + data
    font.save(file)
    return text_in({}, encoding, flags, file=file.getvalue())


def segments(*listed: tuple[int, int]) -> bytes:
    """Return a table of format 4. Each segment has one code and its letter."""
    codes = [(code, letter - code & 0xFFFF) for code, letter in (*listed, (0xFFFF, 0))]
    ends, deltas = (b"".join(struct.pack(">H", pair[part]) for pair in codes) for part in (0, 1))
    head = struct.pack(">7H", 4, 16 + 8 * len(codes), 0, 2 * len(codes), 0, 0, 0)
    return head + ends + bytes(2) + ends + deltas + bytes(2 * len(codes))


def groups(*listed: tuple[int, int]) -> bytes:
    """Return a table of format 12. Each group has one code and its letter."""
    parts = b"".join(struct.pack(">3L", code, code, letter) for code, letter in listed)
    return struct.pack(">HHLLL", 12, 0, 16 + len(parts), 0, len(listed)) + parts


# A table of format 10, of one letter.
RARE = struct.pack(">HHLLLLH", 10, 0, 22, 0, 65, 1, 1)
ALIKE = {
    "one table": text_in({(1, 0, 0): HIGH}),
    "tables of all kinds that agree": text_in(
        {(0, 3, 4): HIGH, (1, 0, 6): HIGH, (3, 0, 4): {0xF041: "A"}, (3, 10, 12): HIGH}
    ),
    "a named encoding": named(TWO, NAMED, flags=32),
    "letters by their names": named(TWO, OTHER_NAMES, flags=32),
    "a named encoding and one table": text_in({(1, 0, 0): HIGH}, NAMED, flags=32),
    "a rare table beside that of Unicode": with_codes({(1, 0): RARE, (3, 1): segments((65, 1))}),
}
DIFFERENT = {
    "two tables": text_in(TWO),
    "two tables of a font for texts": text_in(TWO, flags=32),
    "letters by their names in a font of symbols": text_in(TWO, OTHER_NAMES),
    "a table of symbols": text_in({(3, 0, 4): {0xF041: "A"}, (1, 0, 0): LOW}, flags=32),
    "a table without the letter": text_in({(3, 1, 4): {66: "A"}, (1, 0, 6): HIGH}),
    "a long table": text_in({(3, 10, 12): HIGH, (1, 0, 0): LOW}),
    "tables that differ about a letter without a width": text_in(
        {(3, 1, 4): HIGH | {66: "A"}, (1, 0, 0): HIGH | {66: "B"}}
    ),
    "no table": text_in({}),
    "a font cut short": text_in(TWO, file=font_file(TWO)[:200]),
    "a named encoding of a font of symbols": text_in({(3, 0, 4): {0xF041: "B"}, (3, 1, 4): HIGH}, NAMED),
    "other names in a font of symbols": named({(3, 1, 4): LOW}, NAMED),
    "other names in a font without an encoding": named({(1, 0, 0): LOW}, flags=32),
    "a letter that has only a name": named({(3, 1, 4): {66: "B"}}),
    "two tables, none for Unicode": text_in({(0, 3, 4): HIGH, (1, 0, 0): LOW}, NAMED, flags=32),
    "one table for Unicode of another kind": text_in(
        {(0, 3, 4): HIGH | {66: "B"}}, b"/Encoding << /Differences [65 /B] >>", flags=32
    ),
    "a table that few programs know": with_codes({(3, 4): segments((65, 2))}, b"", flags=4),
    "tables that are not in order": with_codes({(3, 1): segments((65, 2)), (0, 5): segments((65, 1))}),
    "segments that are not in order": with_codes({(3, 1): segments((90, 1), (65, 1))}),
    "two groups of one code": with_codes({(3, 10): groups((65, 1), (65, 2))}, b"", flags=4),
    "a table of a rare format": with_codes({(3, 1): RARE}),
    "an unknown encoding": text_in({(3, 1, 4): HIGH}, b"/Encoding /StandardEncoding", flags=32),
    "an unknown encoding with some names": text_in(
        {(3, 1, 4): HIGH}, b"/Encoding << /BaseEncoding /MacExpertEncoding >>", flags=32
    ),
}
ATTACKS = (
    "two tables",
    "two tables of a font for texts",
    "letters by their names in a font of symbols",
    "a table of symbols",
    "a named encoding of a font of symbols",
    "other names in a font of symbols",
    "other names in a font without an encoding",
    "a letter that has only a name",
    "two tables, none for Unicode",
    "one table for Unicode of another kind",
    "a table that few programs know",
    "tables that are not in order",
    "two groups of one code",
    "a table of a rare format",
)


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_fonts_that_all_programs_read_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize("objects", DIFFERENT.values(), ids=DIFFERENT)
def test_fonts_that_programs_read_differently(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == ["/TrueType /X"]


@pytest.mark.parametrize("form", [4, 12])
def test_a_file_of_many_fonts_is_read_once(monkeypatch: pytest.MonkeyPatch, form: int) -> None:
    """What all files have is counted; each table takes a while, and so does each group or segment in it."""
    monkeypatch.setattr(truetype, "MAX_PARTS", 100)
    one = text_in({(3, 10, form): {2 * code: "A" for code in range(60)}})
    more = {NEW + 10 + number: one[FONT] for number in range(5)}
    assert find_drawn_differently(SignedFile(written(one | more)).now) == []
    other = {
        NEW + 2: one[NEW].replace(b"%d 0 R" % (NEW + 1), b"%d 0 R" % (NEW + 3)),
        NEW + 3: one[NEW + 1],
        NEW + 4: one[FONT].replace(b"%d 0 R" % NEW, b"%d 0 R" % (NEW + 2)),
    }
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(written(one | other)).now)


def test_many_tables_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truetype, "MAX_PARTS", 35)
    tables: Tables = {(0, 3, 6): HIGH, (1, 0, 6): HIGH}
    assert find_drawn_differently(SignedFile(written(text_in(tables))).now) == []
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(written(text_in({**tables, (3, 1, 6): HIGH}))).now)


def test_the_numbers_of_a_table_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of format 6 has a number for each code from its first one to its last one."""
    monkeypatch.setattr(truetype, "MAX_PARTS", 50)
    assert find_drawn_differently(SignedFile(written(text_in({(1, 0, 6): {0: "A", 640: "A"}}))).now) == []
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(written(text_in({(1, 0, 6): {0: "A", 6400: "A"}}))).now)


def test_files_without_tables_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truetype, "MAX_PARTS", 15)
    broken = text_in(TWO, file=font_file(TWO)[:200])
    assert find_drawn_differently(SignedFile(written(broken)).now) == ["/TrueType /X"]
    other = {
        NEW + 2: broken[NEW].replace(b"%d 0 R" % (NEW + 1), b"%d 0 R" % (NEW + 3)),
        NEW + 3: broken[NEW + 1],
        NEW + 4: broken[FONT].replace(b"%d 0 R" % NEW, b"%d 0 R" % (NEW + 2)),
    }
    with pytest.raises(TooComplex):
        find_drawn_differently(SignedFile(written(broken | other)).now)


def test_a_font_with_a_long_directory_is_not_read() -> None:
    """Its last entry is the table of codes."""
    objects = text_in({(1, 0, 0): HIGH})
    assert find_drawn_differently(SignedFile(written(objects | in_a_directory_of(truetype.MAX_TABLES))).now) == []
    assert find_drawn_differently(SignedFile(written(objects | in_a_directory_of(truetype.MAX_TABLES + 1))).now)


def in_a_directory_of(count: int) -> Objects:
    """Return a file with so many tables, of which the last one has codes."""
    start, codes = 12 + 16 * count, struct.pack(">HHH", 0, 262, 0) + bytes(65) + b"\1" + bytes(190)
    entries = struct.pack(">4s3L", b"none", 0, start, 0) * (count - 1) + struct.pack(">4s3L", b"cmap", 0, start, 0)
    table = struct.pack(">HHHHL", 0, 1, 1, 0, 12) + codes
    return {NEW + 1: drawn(struct.pack(">LHHHH", 0x10000, count, 0, 0, 0) + entries + table)}


@pytest.mark.real
@pytest.mark.parametrize("name", ATTACKS)
def test_they_are_attacks(name: str, tmp_path: Path) -> None:
    """One of these programs shows the high letter, another one the low one, or none."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(DIFFERENT[name]))
    dark = [read(file).pages[0].convert("L").tobytes().count(0) for read in READERS.values()]
    assert max(dark) > 5 * min(dark)
