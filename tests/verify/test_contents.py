"""Contents that pdfium, Poppler and MuPDF read in different ways are found, also in forms and letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.verify.pdf.contents import names_drawn
from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, drawn
from tests.verify.readers import READERS
from tests.verify.sample_page import CONTENT, FONT, ONE_FORM, TEXT, beside, written

RESOURCES = {"/Font": {"/F1"}, "/XObject": {"/X"}, "/ColorSpace": {"/C"}, "/Pattern": {"/P"}, "/ExtGState": {"/G"}}
READABLE = [
    TEXT,
    b"",
    b"q Q " * 3000,
    b" % a note (\n",
    b"q 1 0 0 1 0 -2.5 cm/G gs Q",
    b"BT 9 TL 0 Tr/F1 8 Tf 1 0 0 1 .5 +5. Tm[(\\000\\)(a))-21<0a 0B>]TJ T* (x)' 1 2 (x)\" ET",
    b"/C cs 0.5 scn /Pattern CS /P SCN 1 0 0 rg 1 0 0 sc /DeviceRGB cs",
    b"0 0 9 9 re W n 0 0 m 1 1 l h W* n 0 w [] 0 d [ 1 0 ] 2 d",
    b"/P <</MCID 0/A[(b)]/C<</D/E>>>> BDC /Q MP /P/M DP EMC",
    b"/Heading#201 <</MCID 1>> BDC /#E6#a0#87 BMC EMC EMC",
    b"q BI /W 1 /H 1 /BPC 8 /CS/G ID \0(\xff EI Q /X Do",
]
UNREADABLE = {
    "operands too many": b"0 0 1 1 50 690 200 40 re f",
    "operands too few": b"200 40 re f",
    "a text too many": b"BT /F1 9 Tf (a) (b) Tj ET",
    "an unknown operator": b"foo 0 0 9 9 re f",
    "an operator for compatibility": b"BX foo EX",
    "an operand alone": b"0 0 9 9 re f 1",
    "a state that was not saved": b"Q q",
    "a number with an exponent": b"0 0 2e2 9 re f",
    "a number with two signs": b"0 0 --9 9 re f",
    "a number of ten digits": b"0 0 9999999999 9 re f",
    "a name for a number": b"0 0 /A 9 re f",
    "a list in a list": b"BT /F1 9 Tf [(a) [(b)]] TJ ET",
    "an operator behind a delimiter": b"BT (a) Tj{} ET",
    "a vertical tab": b"BT (a)\x0bTj ET",
    "an escape in a name": b"BT /F#31 9 Tf ET",
    "a way of drawing texts that is not known": b"BT 8 Tr ET",
    "a line of less than no width": b"-4 w",
    "a line of no dashes": b"[0 0] 0 d",
    "a line of negative dashes": b"[-1 1] 0 d",
    "a clip that is no path": b"W n",
    "a font that is missing": b"BT /F2 9 Tf ET",
    "a form that is missing": b"/Y Do",
    "a pattern that is missing": b"/Pattern cs /Y scn",
    "a font with the name of a space": b"BT /Pattern 18 Tf (a) Tj ET",
    "a pattern with the name of a space": b"/Pattern cs /Pattern scn",
    "a shading with the name of a space": b"/DeviceRGB sh",
    "a form with the name of a space": b"/DeviceRGB Do",
    "a picture that does not end": b"BI /W 1 /H 1 ID x",
    "a text that does not end": b"BT (a\\) Tj ET",
    "a mark that hides its name": b"/O#43 /MC0 BDC EMC",
    "notes that do not end": b"/P <</MCID 0> BDC",
}
# A white area over the text.
COVER = b" 1 g 50 690 200 40 re f"
FORM = b"<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] "
LETTER = (
    b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1000 1000] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 67 "
    b"/LastChar 67 /Widths [1000] /Encoding << /Differences [67 /C] >> /CharProcs << /C %d 0 R >> /Resources << >> >>"
) % NEW


def nested(depth: int, content: bytes = COVER) -> Objects:
    """Return forms of which each draws the next; the last has the content."""
    forms = {
        NEW + level: drawn(b"/X Do").replace(
            b"<<", FORM + b"/Resources << /XObject << /X %d 0 R >> >>" % (NEW + level + 1)
        )
        for level in range(depth - 1)
    }
    last = drawn(content).replace(b"<<", FORM + b"/Resources << >>", 1)
    return beside(ONE_FORM) | {CONTENT: drawn(TEXT + b" /X Do")} | forms | {NEW + depth - 1: last}


DIFFERENT: dict[str, tuple[str, Objects]] = {
    "contents": ("/Contents", {CONTENT: drawn(TEXT + b" 1 g 0 0 1 1 50 690 200 40 re f")}),
    "a form": ("/Contents", nested(1, b"1 g 0 0 1 1 50 690 200 40 re f")),
    "a letter": ("/Contents", {FONT: LETTER, NEW: drawn(b"1000 0 d0 1 0 0 500 500 re f")}),
    "a letter in odd digits": ("/Filter", {FONT: LETTER, NEW: drawn(b"41>").replace(b"<<", b"<< /Filter /AHx ", 1)}),
    "a letter without a width": ("/Widths", {FONT: LETTER.replace(b"/Widths [1000]", b""), NEW: drawn(b"9 0 d0")}),
    "forms in forms": ("/XObject", nested(16)),
    "a form in itself": ("/XObject", nested(1, b"/X Do") | {NEW: nested(2)[NEW].replace(b"901", b"900")}),
    "a form without bounds": (
        "/BBox",
        nested(1) | {NEW: nested(1)[NEW].replace(b"/BBox [0 0 595 842]", b"")},
    ),
    "a drawing that is printed over others": ("/OP", beside(b"/ExtGState << /G << /OP true >> >>")),
    "a mask as a shape": ("/AIS", beside(b"/ExtGState << /G << /AIS true >> >>")),
    "ways of mixing to choose from": ("/BM", beside(b"/ExtGState << /G << /BM [/New /Multiply] >> >>")),
    "a background behind a shading": ("/Background", beside(b"/Shading << /S << /ShadingType 2 /Background [1] >> >>")),
    "letters for experts": (
        "/Font /Courier",
        {FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /MacExpertEncoding >>"},
    ),
    "a table of too few colours": ("/Indexed", beside(b"/ColorSpace << /C [/Indexed /DeviceGray 5 <00ff>] >>")),
    "a profile of other colours": (
        "/ICCBased",
        beside(b"/ColorSpace << /C [/ICCBased %d 0 R] >>" % NEW)
        | {NEW: drawn(b"profile").replace(b"<<", b"<< /N 1 /Alternate /DeviceRGB", 1)},
    ),
}


@pytest.mark.parametrize("content", READABLE)
def test_what_all_programs_read_alike(content: bytes) -> None:
    assert names_drawn(content, RESOURCES) == ({"/X"} if b"/X Do" in content else set())


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_programs_read_differently(content: bytes) -> None:
    assert names_drawn(content, RESOURCES) is None
    assert names_drawn(TEXT + b" " + content, RESOURCES) is None


@pytest.mark.parametrize(("what", "objects"), DIFFERENT.values(), ids=DIFFERENT)
def test_it_is_found_wherever_it_is(what: str, objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == [what]


def test_forms_in_forms_are_usual() -> None:
    assert find_drawn_differently(SignedFile(written(nested(15))).now) == []


@pytest.mark.real
@pytest.mark.parametrize("objects", [DIFFERENT["contents"][1], nested(50)], ids=["contents", "forms in forms"])
def test_they_are_attacks(objects: Objects, tmp_path: Path) -> None:
    """One of these programs shows the sum, another one covers it."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(objects))
    darkest = {min(read(file).pages[0].convert("L").tobytes()) < 100 for read in READERS.values()}
    assert darkest == {True, False}
