"""Contents that all programs read alike, and in which pdfium, Poppler and MuPDF still draw something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, body_of, drawn
from tests.verify.readers import is_drawn_apart
from tests.verify.sample_page import BLACK, CONTENT, FONT, ONE_FORM, PDF, RESOURCES, TEXT, written
from tests.verify.test_contents import LETTER

BOX = b" 50 690 200 40 re f "
SHADES = b"[/Indexed /DeviceGray %d %b]"


def contents(content: bytes) -> Objects:
    return {CONTENT: drawn(content)}


def with_form(content: bytes, inside: bytes = TEXT) -> Objects:
    """Return a page that may draw a form with the same font."""
    head = b"<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 %d 0 R >> >> " % FONT
    form = drawn(inside).replace(b"<<", head, 1)
    return {RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", b"<< " + ONE_FORM, 1), NEW: form} | contents(content)


def with_space(name: bytes, space: bytes, colour: bytes) -> Objects:
    listed = b"<< /ColorSpace << /%b %b >>" % (name, space)
    return {RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", listed, 1)} | contents(
        b"/%b cs %b scn" % (name, colour) + BOX
    )


def with_pattern(cell: bytes, page: bytes, more: bytes = b"", kind: int = 1) -> Objects:
    """Return a page with a pattern. `more`: resources of both; `kind`: 2 for a pattern without colours."""
    head = b"<< /PatternType 1 /PaintType %d /TilingType 1 /BBox [0 0 595 842] /XStep 595 /YStep 842 " % kind
    resources = b"/Resources << /Font << /F1 %d 0 R >> %b >> " % (FONT, more)
    listed = b"<< /Pattern << /P %d 0 R >> %b " % (NEW, more)
    return {
        RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", listed, 1),
        NEW: drawn(cell).replace(b"<<", head + resources, 1),
    } | contents(page)


def with_letter(letter: bytes, page: bytes, more: bytes = b"") -> Objects:
    """Return a page with a font that has one letter. `more`: resources of both."""
    resources = b"<< /Font << /F1 %d 0 R >> %b >>" % (FONT, more)
    font = LETTER.replace(b"/Resources << >>", b"/Resources " + resources)
    listed = body_of(PDF, RESOURCES).replace(b"/F1", b"/F3 %d 0 R /F1" % (NEW + 1), 1)
    return {
        RESOURCES: listed.replace(b"<<", b"<< " + more, 1),
        NEW: drawn(letter),
        NEW + 1: font,
    } | contents(page)


PATTERN = b" /Pattern cs /P scn" + BOX
# The name C for a space of patterns without colours.
STENCILS = b"/ColorSpace << /C [/Pattern /DeviceGray] >>"
SHADING = (
    b"<< /PatternType 2 /Shading << /ShadingType 2 /ColorSpace /DeviceGray "
    b"/Coords [0 0 9 0] /Function %b /Extend [true true] >> >>"
) % BLACK
ONE_MORE = b"/XObject << /X %d 0 R >>" % (NEW + 1)
SHOW = b" BT /F3 300 Tf 60 500 Td (C) Tj ET"
LINE, SQUARE = b" 50 700 m 500 700 l S", b" 0 0 900 900 re f"
MODES = b"/ExtGState << /M << /BM /Multiply >> /N << /BM /Normal /SMask /None >> /D << /D [[9 99] 0] >> >>"
DARK = b"BT /F1 18 Tf 60 520 Td (CNY 1.00) Tj ET /M gs"
ALIKE = {
    "a page as it begins": contents(b"50 50 0 0 re S 0 sc 1 SC BT /F1 9 Tf T* (a) ' ET"),
    "a form with narrow letters of its own": with_form(b"300 Tz /X Do", b"100 Tz 0 Ts " + TEXT),
    "a form without letters": with_form(b"300 Tz 9 Ts /X Do", b"0 g" + BOX),
    "a form without lines": with_form(b"2 J [0 60] 0 d /X Do", b"0 g" + BOX),
    "a form with the spacing of the page": with_form(b"9 Tc 9 Tw 2 Tr /X Do"),
    "colours of a table": with_space(b"C", SHADES % (1, b"<ff00>"), b"1"),
    "dashes on a larger scale": contents(b"40 0 0 40 0 0 cm 1 w [.1 .1] 0 d 5 15 m 10 15 l S"),
    "a pattern": with_pattern(b"0 g 0 G [9 9] 0 d 9 w 0 J" + LINE + BOX, b"[50] 9 d 50 w 2 J 1 g" + PATTERN),
    "a pattern with a text": with_pattern(b"0 g " + TEXT, PATTERN),
    "a pattern in the usual colour": with_pattern(BOX, b"1 g" + PATTERN),
    "a pattern that blends": with_pattern(b"/M gs 1 g" + BOX, TEXT + PATTERN, MODES),
    "a pattern that is blended": with_pattern(b"1 g" + BOX, TEXT + b" /M gs" + PATTERN, MODES),
    "a pattern after blending": with_pattern(b"/N gs 0 g" + BOX, b"/M gs /N gs" + PATTERN, MODES),
    "a pattern without colours": with_pattern(BOX, b"/C cs .5 /P scn" + BOX, STENCILS, 2),
    "a pattern that is a shading": {
        RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", b"<< /Pattern << /P %b >>" % SHADING, 1)
    }
    | contents(PATTERN),
    "a letter": with_letter(b"1000 0 0 0 900 900 d1 9 w 0 J [] 0 d" + LINE + SQUARE, b"[50] 9 d 50 w 2 J 2 Tr" + SHOW),
    "a letter with colours": with_letter(b"1000 0 d0 1 0 0 rg 0 1 0 RG 0 0 900 900 re B", SHOW),
    "a letter that is blended": with_letter(b"1000 0 d0 1 g" + SQUARE, DARK + SHOW, MODES),
    "a form after a text": with_form(b"q 50 Tz Q BT /F1 9 Tf 9 Ts 50 Tz (a) Tj 100 Tz 0 Ts ET /X Do"),
    "a form after a path": with_form(b"0 g" + BOX + b"50 690 200 40 re W n /X Do"),
    "lines of a text": contents(b"BT /F1 18 Tf 20 TL 60 700 Td (CNY) Tj T* (1.00) ' 0 2 TD (a) ' 1 2 (b) \" ET"),
    "round dots": contents(b"40 w 1 J 100 700 m 100 700 l S [0 60] 0 d 100 600 m 400 600 l S"),
    "dots that no program draws": contents(b"40 w 0 J 100 700 m h S 100 700 0 0 re S [0 60] 0 d 100 600 m 400 600 l S"),
    "points alone": contents(b"2 J 100 700 m S 9 w 2 J 100 700 m 200 700 l 5 5 m S"),
    "square ends of lines": contents(b"40 w 2 J 100 700 m 200 700 l 50 50 20 20 re S [9 9] 5 d 5 5 m 9 9 l s"),
    "colours by their numbers": contents(b"/DeviceRGB cs 0 0 1 scn /DeviceGray CS 0 SC 0 0 0 1 k 0 0 1 0 sc" + BOX),
    "a space with a name": with_space(b"C", b"/DeviceRGB", b"0 0 1"),
    "a space of patterns": with_space(b"C", b"[/Pattern]", b"") | contents(b"/C cs"),
}
# Drawn in different ways, as a point: no text needs to be read in it, and honest pages have such lines.
USUAL = {"a dot of a thin line": contents(b"1 w 100 700 m 100 700 l S")}
DIFFERENT = {
    "a form in a text": with_form(b"BT /F1 18 Tf 60 500 Td /X Do (CNY) Tj ET"),
    "a state that is saved in a text": contents(b"BT /F1 18 Tf q 60 700 Td (CNY) Tj Q (CNY) Tj ET"),
    "a form in a path": with_form(b"50 690 200 40 re /X Do f"),
    "a text in a form without its beginning": with_form(b"BT 100 100 Td /X Do ET", b"/F1 18 Tf (CNY) Tj"),
    "a text of the page's font": with_form(b"/F1 40 Tf /X Do", b"BT 60 700 Td (CNY 1.00) Tj ET"),
    "a form with narrow letters": with_form(b"300 Tz /X Do"),
    "a form with raised letters": with_form(b"200 Ts /X Do"),
    "a form with the page's lines": with_form(b"300 TL /X Do", b"BT /F1 18 Tf 60 700 Td T* (CNY 1.00) Tj ET"),
    "letters of no width": contents(b"BT .5 Tz /F1 18 Tf 60 700 Td (CNY 1.00) Tj ET"),
    "letters of no size": contents(b"BT /F1 .0000001 Tf 180000000 0 0 180000000 60 700 Tm (CNY 1.00) Tj ET"),
    "a dot without ends": contents(b"40 w 100 700 m 100 700 l S"),
    "a dot without ends of the page's width": with_form(b"40 w /X Do", b"0 J 100 700 m 100 700 l S"),
    "a square dot": contents(b"40 w 2 J 100 700 m 100 700 l S"),
    "a square dot after a line": contents(b"40 w 2 J 10 10 m 100 10 l 100 700 m 100 700 l S"),
    "a line that is nearly a dot": contents(b"40 w 2 J 100 700 m 100.00000001 700 l S"),
    "a closed dot": contents(b"40 w 1 J 100 700 m h S"),
    "a dot that is a curve": contents(b"40 w 1 J 100 700 m 100 700 100 700 100 700 c S"),
    "a dot that is an area": contents(b"40 w 1 J 100 700 0 0 re S"),
    "square dots in a line": contents(b"40 w 2 J [0 60] 0 d 100 700 m 400 700 l S"),
    "dashes that are too short": contents(b"40 w [.1 .1] 0 d 100 700 m 400 700 l S"),
    "dashes that begin far away": contents(b"40 w [50] 99999 d 100 700 m 400 700 l S"),
    "unknown ends": contents(b"20 w 5 J 50 690 m 300 700 l 50 710 l S"),
    "a colour of too many numbers": contents(b"/DeviceGray cs 1 0 0 scn" + BOX),
    "a colour of too few numbers": contents(b"/DeviceCMYK cs 0 0 0 scn" + BOX),
    "a colour of no numbers": contents(b"1 g sc" + BOX),
    "a grey of three numbers": contents(b"1 g 0 0 1 scn" + BOX),
    "a number that is no colour": with_space(b"C", SHADES % (0, b"<00>"), b"1"),
    "a number that is none of a table's": with_space(b"C", SHADES % (1, b"<ff00>"), b".5"),
    "dashes on a smaller scale": contents(b"[10 10] 0 d .01 0 0 .01 0 0 cm 4000 w 10000 70000 m 40000 70000 l S"),
    "short dashes of the page": with_form(b"[1 1] 0 d .1 0 0 .1 0 0 cm 400 w /X Do", b"0 400 m 590 400 l S"),
    "a form in the pattern of the page": with_pattern(
        b"0 g 0 700 595 200 re f",
        b"/Pattern cs /P scn 1 0 0 1 0 -300 cm /X Do",
        ONE_MORE,
    )
    | {NEW + 1: with_form(b"", BOX)[NEW]},
    "a pattern in the colour of the page": with_pattern(BOX, b"1 g /Pattern CS /P SCN 100 w" + LINE),
    "a pattern with narrow letters": with_pattern(b"0 g " + TEXT, b"300 Tz" + PATTERN),
    "a pattern with spaces between letters": with_pattern(b"0 g " + TEXT, b"300 Tc" + PATTERN),
    "a pattern with spaces between words": with_pattern(b"0 g " + TEXT, b"300 Tw" + PATTERN),
    "a pattern with hidden letters": with_pattern(b"0 g " + TEXT, b"3 Tr" + PATTERN),
    "a pattern with raised letters": with_pattern(b"0 g " + TEXT, b"300 Ts" + PATTERN),
    "a pattern with the page's dashes": with_pattern(b"0 G 50 w 0 J" + LINE, b"[9 99] 0 d" + PATTERN),
    "a pattern with dashes of a state": with_pattern(b"0 G 50 w 0 J" + LINE, b"/D gs" + PATTERN, MODES),
    "a pattern with the page's ends of lines": with_pattern(b"0 G 50 w 150 700 m 151 700 l S", b"2 J" + PATTERN),
    "a pattern in a form": with_pattern(b"0 g " + TEXT, b"300 Tz /X Do", ONE_MORE)
    | {NEW + 1: with_form(b"", PATTERN)[NEW].replace(b"/Font", b"/Pattern << /P %d 0 R >> /Font" % NEW, 1)},
    "a pattern that ends the blending": with_pattern(b"/N gs 1 g" + BOX, TEXT + b" /M gs" + PATTERN, MODES),
    "a pattern without colours in none": with_pattern(BOX, PATTERN, kind=2),
    "a pattern's colour without a pattern": with_pattern(b"0 g" + BOX, b"/C cs 0 scn" + BOX, STENCILS),
    "a space of patterns without a pattern": with_pattern(BOX, b"/C cs" + BOX, STENCILS, 2),
    "a pattern's colour of three numbers": with_pattern(BOX, b"/C cs 0 0 1 /P scn" + BOX, STENCILS, 2),
    "a letter with the page's lines": with_letter(b"1000 0 d0 0 G 0 500 m 900 500 l S", b"90 w" + SHOW),
    "a letter with the page's dashes": with_letter(b"1000 0 d0 0 G 100 w 0 500 m 900 500 l S", b"[9 999] 0 d" + SHOW),
    "a letter with the page's ends of lines": with_letter(b"1000 0 d0 0 G 300 w 300 500 m 400 500 l S", b"2 J" + SHOW),
    "a letter with narrow letters": with_letter(b"1000 0 d0 BT /F1 300 Tf (CCC) Tj ET", b"20 Tz" + SHOW),
    "a letter that is hidden": with_letter(b"1000 0 d0" + SQUARE, b"3 Tr" + SHOW),
    "a letter in two colours of the page": with_letter(b"1000 0 d0 200 w 0 500 m 900 500 l S", b"1 G 0 g" + SHOW),
    "a letter without a width": with_letter(b"1 g" + SQUARE, SHOW),
    "a letter that blends": with_letter(b"1000 0 d0 /M gs 1 g" + SQUARE, DARK.replace(b"/M gs", b"") + SHOW, MODES),
    "a letter that ends the blending": with_letter(b"1000 0 d0 /N gs 1 g" + SQUARE, DARK + SHOW, MODES),
    "another grey": with_space(b"DeviceGray", SHADES % (1, b"<ff00>"), b"1"),
}
# They need a form that draws nothing without them, or other numbers, to be attacks.
REFUSED = {
    "a font of letters in the resources": {
        RESOURCES: body_of(PDF, RESOURCES).replace(b"/F1", b"/F3 %b /F1" % LETTER, 1),
        NEW: drawn(b"1000 0 d0"),
    }
    | contents(SHOW),
    "unknown corners": contents(b"20 w 5 j 50 690 m 300 700 l 50 710 l S"),
    "a form with square dots": with_form(b"40 w 2 J [0 60] 0 d /X Do", b"100 700 m 400 700 l S"),
    "a form in the page's colours": with_form(b"/DeviceRGB cs /X Do", b"1 scn" + BOX),
    "an unknown space": with_space(b"C", b"/Foo", b"1"),
    "an unknown space without a number": with_space(b"C", b"/Foo", b"") | contents(b"/C cs" + BOX),
    "a picture in a path": contents(b"0 0 m BI /W 1 /H 1 /BPC 8 /CS/G ID \0 EI f"),
}


@pytest.mark.parametrize("objects", (ALIKE | USUAL).values(), ids=ALIKE | USUAL)
def test_what_all_programs_draw_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize("objects", (DIFFERENT | REFUSED).values(), ids=DIFFERENT | REFUSED)
def test_what_programs_draw_differently_is_found(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == ["/Contents"]


@pytest.mark.real
@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_they_are_no_attacks(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "usual.pdf"
    file.write_bytes(written(objects))
    assert not is_drawn_apart(file)


@pytest.mark.real
@pytest.mark.parametrize("objects", DIFFERENT.values(), ids=DIFFERENT)
def test_they_are_attacks(objects: Objects, tmp_path: Path) -> None:
    """One of these programs shows something that another one does not show, or shows elsewhere."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(objects))
    assert is_drawn_apart(file)
