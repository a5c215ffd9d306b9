"""Contents that all programs read alike, and in which pdfium, Poppler and MuPDF still draw something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, body_of, drawn
from tests.verify.readers import is_drawn_apart
from tests.verify.sample_page import CONTENT, FONT, ONE_FORM, PDF, RESOURCES, TEXT, written

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


ALIKE = {
    "a form after a text": with_form(b"q 50 Tz Q BT /F1 9 Tf 9 Ts 50 Tz (a) Tj 100 Tz 0 Ts ET /X Do"),
    "a form after a path": with_form(b"0 g" + BOX + b"50 690 200 40 re W n /X Do"),
    "lines of a text": contents(b"BT /F1 18 Tf 20 TL 60 700 Td (CNY) Tj T* (1.00) ' 0 2 TD (a) ' 1 2 (b) \" ET"),
    "round dots": contents(b"40 w 1 J 100 700 m 100 700 l S [0 60] 0 d 100 600 m 400 600 l S"),
    "dots that no program draws": contents(b"40 w 0 J 100 700 m h S 100 700 0 0 re S [0 60] 0 d 100 600 m 400 600 l S"),
    "points alone": contents(b"2 J 100 700 m S 9 w 2 J 100 700 m 200 700 l 5 5 m S"),
    "square ends of lines": contents(b"40 w 2 J 100 700 m 200 700 l 50 50 20 20 re S [9 9] 5 d 5 5 m 9 9 l s"),
    "colours by their numbers": contents(b"/DeviceRGB cs 0 0 1 scn /DeviceGray CS 0 SC 0 0 0 1 k 0 0 1 0 sc" + BOX),
    "a space with a name": with_space(b"C", b"/DeviceRGB", b"0 0 1"),
    "a pattern by its name": with_space(b"C", b"[/Pattern]", b"") | contents(b"/C cs"),
}
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
    "an unknown space": with_space(b"C", b"/Foo", b"1"),
    "a number that is no colour": with_space(b"C", SHADES % (0, b"<00>"), b"1"),
    "another grey": with_space(b"DeviceGray", SHADES % (1, b"<ff00>"), b"1"),
}
# They need a form that draws nothing without them, or other numbers, to be attacks.
REFUSED = {
    "unknown corners": contents(b"20 w 5 j 50 690 m 300 700 l 50 710 l S"),
    "a form with square dots": with_form(b"40 w 2 J [0 60] 0 d /X Do", b"100 700 m 400 700 l S"),
    "a form in the page's colours": with_form(b"/DeviceRGB cs /X Do", b"1 scn" + BOX),
    "an unknown space without a number": with_space(b"C", b"/Foo", b"") | contents(b"/C cs" + BOX),
    "a picture in a path": contents(b"0 0 m BI /W 1 /H 1 /BPC 8 /CS/G ID \0 EI f"),
}


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_what_all_programs_draw_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize("objects", (DIFFERENT | REFUSED).values(), ids=DIFFERENT | REFUSED)
def test_what_programs_draw_differently_is_found(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == ["/Contents"]


@pytest.mark.real
@pytest.mark.parametrize("objects", DIFFERENT.values(), ids=DIFFERENT)
def test_they_are_attacks(objects: Objects, tmp_path: Path) -> None:
    """One of these programs shows something that another one does not show, or shows elsewhere."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(objects))
    assert is_drawn_apart(file)
