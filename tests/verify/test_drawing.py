"""Parts that pdfium, Poppler and MuPDF draw in different ways are found, also if the file was issued with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.verify.findings import Element
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from qianda.verify.pdf.structure import check_finished
from tests.browser.update_files import NEW, Objects, body_of, drawn
from tests.verify.readers import READERS
from tests.verify.sample_page import (
    BLACK,
    CONTENT,
    FONT,
    PACKED,
    PDF,
    TEXT,
    TREE,
    WHITE,
    beside,
    coloured,
    font,
    packed,
    page,
    streams,
    written,
)

WITH_FILE = b"<< /Type /FontDescriptor /FontName /Song /FontFile2 %d 0 R >>" % (NEW + 2)
FILE = {NEW + 2: drawn(b"\0\1\0\0")}
WITHOUT_FILE = b"<< /Type /FontDescriptor /FontName /Song >>"
COMPOSED = b"/BaseFont /Song /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 %b >>]"
# With a table of codes in the file.
TABLE = COMPOSED.replace(b"/UniGB-UCS2-H", b"%d 0 R" % (NEW + 1))
DESCRIBED = b"/BaseFont /Song /FontDescriptor %d 0 R" % NEW
FIELD = b"/Annots [<< /Type /Annot /Subtype /Widget /F 132 /FT /Sig /Rect %b >>]"
ALIKE: dict[str, Objects] = {
    "as it is": {},
    "a visible part that is the whole page": page(b"/CropBox [0 0 595.0 842] /Rotate 0"),
    "packed contents": packed(b"/Filter /FlateDecode", PACKED),
    "packed contents with a line end": packed(b"/Filter [/FlateDecode]", PACKED + b"\n"),
    "contents in parts": streams(b"q % (a\n", b"BT /F1 9 Tf (a\\() Tj", b"(a(b)) Tj ET Q"),
    "no contents": page(contents=b"null"),
    "an embedded font with letters by a table": font(
        COMPOSED % (DESCRIBED + b" /CIDToGIDMap %d 0 R" % CONTENT), b"/Type0", WITH_FILE
    )
    | FILE,
    "an embedded font with a table of codes": font(TABLE % DESCRIBED, b"/Type0", WITH_FILE)
    | FILE
    | {NEW + 1: drawn(b"a table")},
    "an embedded font of many letters": font(COMPOSED % DESCRIBED, b"/Type0", WITH_FILE) | FILE,
    "a usual code of letters": font(b"/BaseFont /Times-Roman /Encoding /WinAnsiEncoding"),
    "a drawn font": font(b"/CharProcs << >> /Encoding << >>", b"/Type3"),
    "colours of a profile": coloured(b"[/ICCBased %d 0 R]" % NEW) | {NEW: drawn(b"?").replace(b"<<", b"<< /N 1", 1)},
}
DIFFERENT: dict[str, tuple[str, Objects]] = {
    "a smaller visible part": ("/CropBox", page(b"/CropBox [0 0 595 750]")),
    "a visible part outside": ("/CropBox", page(b"/CropBox [1000 1000 1595 1842]")),
    "a visible part for all pages": ("/CropBox", {TREE: body_of(PDF, TREE)[:-2] + b" /CropBox [0 0 9 9] >>"}),
    "a page without a size": ("/MediaBox", page(box=b"null")),
    "a page with three corners": ("/MediaBox", page(box=b"[0 0 595]")),
    "a page without a width": ("/MediaBox", page(box=b"[0 0 0 842]")),
    "a turned page": ("/Rotate", page(b"/Rotate 45")),
    "a page turned by a fraction": ("/Rotate", page(b"/Rotate 90.0")),
    "a turned tree": ("/Rotate", {TREE: body_of(PDF, TREE)[:-2] + b" /Rotate 90 >>"}),
    "a scaled page": ("/UserUnit", page(b"/UserUnit 2")),
    "a text in two parts": ("/Contents", streams(b"BT /F1 18 Tf 60 700 Td (CNY 1", b"0000) Tj ET")),
    "a text after an escape in two parts": ("/Contents", streams(b"BT /F1 18 Tf (1\\)", b"0000) Tj ET")),
    "a comment in two parts": ("/Contents", streams(TEXT + b"%", TEXT)),
    "parts after a picture": ("/Contents", streams(b"BI /W 8 /H 1 /IM true ID % EI (1\n", b"0) Tj")),
    "contents in a list in a list": ("/Contents", page(contents=b"[[%d 0 R]]" % CONTENT)),
    "contents that are nothing in a list": ("/Contents", page(contents=b"[null %d 0 R]" % CONTENT)),
    "contents with odd digits": ("/Contents", packed(b"/Filter /ASCIIHexDecode", b"<" + TEXT.hex().encode() + b">")),
    "contents cut short": ("/Contents", packed(b"/Filter /FlateDecode", PACKED[:-5])),
    "contents that go on": ("/Contents", packed(b"/Filter /FlateDecode", PACKED + b"more")),
    "contents that are not packed": ("/Contents", packed(b"/Filter /FlateDecode", TEXT)),
    "contents packed twice": ("/Contents", packed(b"/Filter [/FlateDecode /FlateDecode]", PACKED)),
    "contents with a prediction": (
        "/Contents",
        packed(b"/Filter /FlateDecode /DecodeParms << >>", PACKED),
    ),
    "a form in odd digits": (
        "/Filter",
        {NEW: drawn(b"41>").replace(b"<<", b"<< /Subtype /Form /BBox [0 0 9 9] /Filter /AHx", 1)},
    ),
    "a pattern in odd digits": (
        "/Filter",
        {NEW: drawn(b"41>").replace(b"<<", b"<< /PatternType 1 /PaintType 1 /Filter /AHx", 1)},
    ),
    "no ink": ("/Separation", coloured(b"[/Separation /None /DeviceGray %b]" % BLACK)),
    "ink of a name": ("/Separation", coloured(b"[/Separation /Black /DeviceGray %b]" % WHITE)),
    "several inks": ("/DeviceN", coloured(b"[/DeviceN [/None] /DeviceGray %b]" % BLACK)),
    "measured grays": ("/CalGray", coloured(b"[/CalGray << /WhitePoint [0.95 1 1.09] /Gamma 0.01 >>]")),
    "measured colours": (
        "/CalRGB",
        beside(b"/ColorSpace << /C [/Indexed [/CalRGB << /WhitePoint [0.95 1 1.09] >>] 0 <000000>] >>"),
    ),
    "other colours by default": ("/DefaultGray", beside(b"/ColorSpace << /DefaultGray /DeviceGray >>")),
    "a font of the reader's": ("/Font /SimSun", font(b"/BaseFont /SimSun", b"/TrueType")),
    "a font without a file": ("/Font /Song", font(DESCRIBED, b"/TrueType", WITHOUT_FILE)),
    "a composed font without a file": ("/Font /Song", font(COMPOSED % DESCRIBED, b"/Type0", WITHOUT_FILE)),
    "a composed font of nothing": ("/Font /Song", font(b"/BaseFont /Song", b"/Type0")),
    "a composed font of two parts": (
        "/Font /Song",
        font((COMPOSED % DESCRIBED).replace(b">>]", b">> << >>]"), b"/Type0", WITH_FILE) | FILE,
    ),
    "a table of codes that no program has": (
        "/Type0 /Song",
        font((COMPOSED % DESCRIBED).replace(b"/UniGB-UCS2-H", b"/Song-H"), b"/Type0", WITH_FILE) | FILE,
    ),
    "a table of codes that goes on in another": (
        "/Type0 /Song",
        font(TABLE % DESCRIBED, b"/Type0", WITH_FILE)
        | FILE
        | {NEW + 1: drawn(b"a table").replace(b"<<", b"<< /UseCMap /UniGB-UCS2-H", 1)},
    ),
    "letters by a table in odd digits": (
        "/Type0 /Song",
        font(COMPOSED % (DESCRIBED + b" /CIDToGIDMap %d 0 R" % (NEW + 1)), b"/Type0", WITH_FILE)
        | FILE
        | {NEW + 1: drawn(b"<0").replace(b"<<", b"<< /Filter /AHx", 1)},
    ),
    "letters by odd names": ("/Font /Courier", font(b"/BaseFont /Courier /Encoding << /Differences [49 /g9] >>")),
    "a font of pictures": ("/Font /ZapfDingbats", font(b"/BaseFont /ZapfDingbats")),
    "a font whose name is none": ("/Font", font(b"/BaseFont << >>")),
    "a font in a graphics state": ("/ExtGState", beside(b"/ExtGState << /G << /Font [%d 0 R 9] >> >>" % FONT)),
    "a field with a background": (
        "/MK",
        page(FIELD % b"[50 690 300 730] /MK << /BG [1 1 1] >>") | {CONTENT: drawn(TEXT)},
    ),
    "a field with a style of border": ("/BS", page(FIELD % b"[0 0 9 9] /BS << /W 9 >>")),
    "a field with a border": ("/Border", page(FIELD % b"[0 0 9 9] /Border [0 0 9]")),
    "another picture when pressed": (
        "/AP",
        page(FIELD % (b"[0 0 9 9] /AP << /D %d 0 R >>" % CONTENT)),
    ),
}


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_what_all_programs_draw_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize(("what", "objects"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_programs_draw_differently_is_found(what: str, objects: Objects) -> None:
    pdf = written(objects)
    assert find_drawn_differently(SignedFile(pdf).now) == [what]
    texts = [finding.reason.en for finding in check_finished(pdf, ()) if finding.element is Element.TEXT]
    assert any(f"draw in different ways ({what})" in text for text in texts)


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["a smaller visible part", "a text in two parts", "contents with odd digits", "no ink", "several inks"]
)
def test_they_are_attacks(name: str, tmp_path: Path) -> None:
    """One of these programs shows what another one does not."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(DIFFERENT[name][1]))
    shown = [read(file) for read in READERS.values()]
    words = {tuple(each.words) for each in shown}
    white = {min(each.pages[0].convert("L").tobytes()) > 200 for each in shown}
    assert len(words) + len(white) > 2
