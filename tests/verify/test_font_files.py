"""Fonts whose file is of another kind than they say: the same code is another letter for pdfium, Poppler or MuPDF."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from fontTools.cffLib import FDArrayIndex, FDSelect, FontDict
from fontTools.fontBuilder import FontBuilder
from fontTools.misc.psCharStrings import T2CharString
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTFont

from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, drawn
from tests.verify.readers import READERS
from tests.verify.sample_page import CONTENT, FONT, written
from tests.verify.test_truetype import HIGH, LOW, font_file

HEIGHTS = {".notdef": 10, "A": 900, "B": 100}


def outline(height: int) -> T2CharString:
    pen = T2CharStringPen(600, None)
    pen.moveTo((0, 0))
    for corner in ((0, height), (500, height), (500, 0)):
        pen.lineTo(corner)
    pen.closePath()
    return pen.getCharString()


def open_type(numbers: tuple[int, ...] = ()) -> bytes:
    """Return a font with a high letter A and a low letter B. `numbers`: it has these instead of names."""
    built = FontBuilder(1000, isTTF=False)
    built.setupGlyphOrder(list(HEIGHTS))
    built.setupCharacterMap({65: "A", 66: "B"})
    built.setupCFF("X", {}, {name: outline(height) for name, height in HEIGHTS.items()}, {})
    built.setupHorizontalMetrics(dict.fromkeys(HEIGHTS, (600, 0)))
    built.setupHorizontalHeader(ascent=900, descent=-100)
    built.setupPost(keepGlyphNames=False)
    built.setupOS2()
    if numbers:
        number_letters(built.font, numbers)
    file = io.BytesIO()
    built.font.save(file)
    return file.getvalue()


def number_letters(font: TTFont, numbers: tuple[int, ...]) -> None:
    whole = font["CFF "].cff
    top = whole[whole.fontNames[0]]
    names = [".notdef", *(f"cid{number:05}" for number in numbers)]
    private = FontDict()
    private.Private, private.FontName = top.Private, "X"
    top.ROS, top.CIDCount, top.FDArray, top.FDSelect = ("Adobe", "Identity", 0), 100, FDArrayIndex(), FDSelect()
    top.FDArray.strings, top.FDArray.GlobalSubrs = None, whole.GlobalSubrs
    top.FDArray.append(private)
    top.FDSelect.format, top.FDSelect.gidArray = 3, [0] * len(names)
    drawings = top.CharStrings.charStrings
    top.CharStrings.charStrings = dict(zip(names, [drawings[name] for name in top.charset], strict=True))
    top.charset = names
    for part in ("Private", "Encoding"):
        top.rawDict.pop(part, None)
        top.__dict__.pop(part, None)
    font.setGlyphOrder(names)
    font["hmtx"].metrics = dict.fromkeys(names, (600, 0))
    font["cmap"].tables = []


def compact(font: bytes) -> bytes:
    """Return the letters of the font alone."""
    return bytes(TTFont(io.BytesIO(font)).reader["CFF "])


def descriptor(key: str, file: bytes, more: bytes = b"") -> Objects:
    about = b"<< /Type /FontDescriptor /FontName /X /FontBBox [0 0 1000 1000] /ItalicAngle 0 /Ascent 900 /Flags 4 "
    return {
        NEW: about + b"/Descent -100 /StemV 80 %b %b %d 0 R >>" % (more, key.encode(), NEW + 1),
        NEW + 1: drawn(file).replace(b"<<", b"<< /Length1 %d " % len(file), 1),
    }


def simple(kind: str, key: str, file: bytes, more: bytes = b"") -> Objects:
    head = b"<< /Type /Font /Subtype %b /BaseFont /X /FirstChar 65 /LastChar 66 /Widths [600 600] " % kind.encode()
    return {
        CONTENT: drawn(b"BT /F1 40 Tf 60 695 Td (AAAA) Tj ET"),
        FONT: head + b"/FontDescriptor %d 0 R >>" % NEW,
        **descriptor(key, file, more),
    }


def composed(kind: str, key: str, file: bytes, more: bytes = b"") -> Objects:
    system = b"/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"
    one = b"<< /Type /Font /Subtype %b /BaseFont /X %b /DW 600 /FontDescriptor %d 0 R %b >>"
    return {
        CONTENT: drawn(b"BT /F1 40 Tf 60 695 Td <0001000100010001> Tj ET"),
        FONT: b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [%b] >>"
        % (one % (kind.encode(), system, NEW, more)),
        **descriptor(key, file),
    }


TRUETYPE, TWO_TABLES = font_file({(1, 0, 0): HIGH}), font_file({(1, 0, 0): LOW, (3, 1, 4): HIGH})
NUMBERED = open_type((2, 1))
# The number of the letter B for A, and the other way round.
SWAPPED = b"/CIDToGIDMap %d 0 R" % (NEW + 2)
TABLE = {NEW + 2: drawn(bytes((0, 0, 0, 2, 0, 1)))}
ALIKE = {
    "TrueType": simple("/TrueType", "/FontFile2", TRUETYPE),
    "Type 1": simple("/Type1", "/FontFile", b"%!PS-AdobeFont-1.0: X"),
    "Type 1 of several masters": simple("/MMType1", "/FontFile", b"%!PS-AdobeFont-1.0: X"),
    "Type 1, compact": simple("/Type1", "/FontFile3", compact(open_type())),
    "composed TrueType": composed("/CIDFontType2", "/FontFile2", TRUETYPE),
    "composed TrueType with a table": composed("/CIDFontType2", "/FontFile2", TRUETYPE, SWAPPED) | TABLE,
    "composed, compact": composed("/CIDFontType0", "/FontFile3", compact(NUMBERED)),
    "packed": simple("/TrueType", "/FontFile2", TRUETYPE)
    | {NEW + 1: drawn(zlib.compress(TRUETYPE)).replace(b"<<", b"<< /Filter /FlateDecode ", 1)},
}
IN_TYPE_1 = simple("/Type1", "/FontFile", TWO_TABLES)
# By what the verifier calls them.
OTHER_FILE, OTHER_NUMBERS = "/Font /X", "/Type0 /X"
DIFFERENT: dict[str, tuple[str, Objects]] = {
    "TrueType in Type 1": (OTHER_FILE, IN_TYPE_1),
    "TrueType in compact Type 1": (OTHER_FILE, simple("/Type1", "/FontFile3", TWO_TABLES)),
    "TrueType with the key of Type 1": (OTHER_FILE, simple("/TrueType", "/FontFile", TWO_TABLES)),
    "TrueType with the key of OpenType": (OTHER_FILE, simple("/TrueType", "/FontFile3", TWO_TABLES)),
    "composed OpenType": (OTHER_FILE, composed("/CIDFontType0", "/FontFile3", NUMBERED)),
    "OpenType in composed TrueType": (OTHER_FILE, composed("/CIDFontType2", "/FontFile2", NUMBERED)),
    "numbers in a table": (
        OTHER_NUMBERS,
        composed("/CIDFontType0", "/FontFile3", compact(open_type()), SWAPPED) | TABLE,
    ),
    "OpenType in TrueType": (OTHER_FILE, simple("/TrueType", "/FontFile2", open_type())),
    "TrueType in a standard font": (
        "/Font /Helvetica",
        {number: body.replace(b"/X", b"/Helvetica") for number, body in IN_TYPE_1.items()},
    ),
    "two files": (
        OTHER_FILE,
        simple("/TrueType", "/FontFile2", TRUETYPE, b"/FontFile %d 0 R" % (NEW + 2)) | {NEW + 2: drawn(TRUETYPE)},
    ),
    "a file in odd digits": (
        OTHER_FILE,
        simple("/Type1", "/FontFile", b"")
        | {NEW + 1: drawn(b"2521>").replace(b"<<", b"<< /Filter /ASCIIHexDecode ", 1)},
    ),
    "a file that is not packed as it says": (
        OTHER_FILE,
        simple("/Type1", "/FontFile", b"") | {NEW + 1: drawn(b"%!").replace(b"<<", b"<< /Filter /FlateDecode ", 1)},
    ),
}


def found(objects: Objects) -> list[str]:
    return find_drawn_differently(SignedFile(written(objects)).now)


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_fonts_of_their_own_kind(objects: Objects) -> None:
    assert found(objects) == []


@pytest.mark.parametrize(("what", "objects"), DIFFERENT.values(), ids=DIFFERENT)
def test_fonts_of_another_kind(what: str, objects: Objects) -> None:
    assert what in found(objects)


@pytest.mark.real
@pytest.mark.parametrize("name", list(DIFFERENT)[:7])
def test_they_are_attacks(name: str, tmp_path: Path) -> None:
    """One of these programs shows the high letter, another one the low one."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(DIFFERENT[name][1]))
    dark = [read(file).pages[0].convert("L").tobytes().count(0) for read in READERS.values()]
    assert max(dark) > 5 * min(dark)
