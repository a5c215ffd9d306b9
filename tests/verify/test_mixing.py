"""Graphics states and groups with which pdfium, Poppler and MuPDF draw something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, body_of, drawn
from tests.verify.readers import is_drawn_apart
from tests.verify.sample_page import CONTENT, FONT, PDF, RESOURCES, TEXT, written

BOX = b" 50 690 200 40 re f "
LINE = b" 100 600 m 400 600 l S "
GROUP = b"/Group << /S /Transparency %b >> "
GREY = GROUP % b"/CS /DeviceGray"
MASK = b"/SMask << %%b /G %d 0 R >>" % (NEW + 1)
LUMINOSITY = MASK % b"/S /Luminosity"


def form(content: bytes, more: bytes = b"", states: bytes = b"") -> bytes:
    """Return a form. `more`: entries; `states`: graphics states by name."""
    listed = b"/Resources << /Font << /F1 %d 0 R >> /ExtGState << %b >> >> " % (FONT, states)
    return drawn(content).replace(b"<<", b"<< /Subtype /Form /BBox [0 0 595 842] " + listed + more, 1)


def mixed(states: bytes, content: bytes, x: bytes = b"", y: bytes = b"") -> Objects:
    """Return a page with these graphics states, and two forms or masks."""
    listed = b"<< /ExtGState << %b >> /XObject << /X %d 0 R /Y %d 0 R >> " % (states, NEW, NEW + 1)
    return {
        RESOURCES: body_of(PDF, RESOURCES).replace(b"<<", listed, 1),
        CONTENT: drawn(content),
        NEW: x or form(b""),
        NEW + 1: y or form(b""),
    }


def state(entries: bytes, y: bytes = b"", content: bytes = b"q 20 w /G gs " + TEXT + LINE + b"Q") -> Objects:
    return mixed(b"/G << %b >>" % entries, content, y=y)


def covered(entries: bytes) -> Objects:
    return state(entries, content=TEXT + b" /G gs 1 g" + BOX)


WHITE, BLACK = form(b"1 g 0 0 595 842 re f", GREY), form(b"0 g 0 0 595 842 re f", GREY)
MULTIPLY, NORMAL = b"/M << /BM /Multiply >> ", b"/N << /BM /Normal /ca 1 /SMask /None >> "
ALIKE = {
    "usual values": state(b"/Type /ExtGState /ca 0.5 /CA 1 /LW 2 /LC 1 /LJ 2 /D [[3 5] 0] /BM /Multiply /SMask /None"),
    "a mask": state(LUMINOSITY, WHITE),
    "a mask of a shape": state(MASK % b"/S /Alpha", form(b"0 0 595 842 re f")),
    "a mask on a ground": state(LUMINOSITY.replace(b"/G", b"/BC [1] /G"), form(b"", GREY)),
    "a group that blends": mixed(MULTIPLY, b"/M gs /X Do", form(b"/N gs " + TEXT, GROUP % b"/K false", NORMAL)),
    "a form that blends alone": mixed(b"", b"/X Do", form(b"/M gs " + TEXT, b"", MULTIPLY)),
    "a form after blending": mixed(MULTIPLY + NORMAL, b"/M gs /N gs /X Do", form(b"/N gs " + TEXT, b"", NORMAL)),
    "a closed dot without ends by a state": state(b"/LC 0", content=b"2 J /G gs 40 w 100 700 m h S"),
    "a round dot by a state": state(b"/LC 1", content=b"2 J /G gs 40 w 100 700 m 100 700 l S"),
    "a form that is blended": mixed(MULTIPLY, b"/M gs /X Do", form(TEXT)),
}
DIFFERENT: dict[str, tuple[str, Objects]] = {
    "a group of which parts erase others": (
        "/K",
        mixed(b"", b"/X Do", form(TEXT + b" /A gs" + BOX, GROUP % b"/K true", b"/A << /ca 0.1 >>")),
    ),
    "a mode for light colours": ("/BM", covered(b"/BM /ColorDodge")),
    "an unknown mode after another": ("/BM", mixed(MULTIPLY + b"/G << /BM /Foo >>", TEXT + b" /M gs /G gs 1 g" + BOX)),
    "no mode after another": ("/BM", mixed(MULTIPLY + b"/G << /BM null >>", TEXT + b" /M gs /G gs 1 g" + BOX)),
    "no opacity": ("/ca", covered(b"/ca null")),
    "an opacity that is a word": ("/ca", covered(b"/ca true")),
    "a width below zero": ("/LW", state(b"/LW -40")),
    "a width that is a text": ("/LW", state(b"/LW (x)")),
    "unknown ends of lines": ("/LC", state(b"/LC 7")),
    "dashes below zero": ("/D", state(b"/D [[5 -5] 0]")),
    "dashes of no length": ("/D", state(b"/D [[0] 0]")),
    "a mask of no kind": ("/SMask", state(MASK % b"", BLACK)),
    "a mask of an unknown kind": ("/SMask", state(MASK % b"/S /Foo", BLACK)),
    "no mask after one": (
        "/SMask",
        mixed(b"/M << %b >> /G << /SMask null >>" % LUMINOSITY, b"/M gs /G gs " + TEXT, y=BLACK),
    ),
    "a mask on a ground of no colours": ("/SMask", state(LUMINOSITY.replace(b"/G", b"/BC [1] /G"), form(b""))),
    "a form that ends the mask": (
        "/Contents",
        mixed(b"/M << %b >>" % LUMINOSITY, b"/M gs /X Do", form(b"/N gs " + TEXT, b"", NORMAL), BLACK),
    ),
    "a form that ends the blending": (
        "/Contents",
        mixed(MULTIPLY, TEXT + b" /M gs /X Do", form(b"/N gs 1 g" + BOX, b"", NORMAL)),
    ),
}
REFUSED: dict[str, tuple[str, Objects]] = {
    "a state that is none": ("/ExtGState", mixed(b"/G true", TEXT)),
    "a way of blending that is no name": ("/BM", state(b"/BM << >>")),
    "a mask whose kind is no name": ("/SMask", state(MASK % b"/S << >>", WHITE)),
    "unknown corners of lines": ("/LJ", state(b"/LJ true")),
    "a form in a form that ends the blending": (
        "/Contents",
        mixed(
            MULTIPLY,
            TEXT + b" /M gs /X Do",
            form(b"/Y Do").replace(b"/Resources <<", b"/Resources << /XObject << /Y %d 0 R >>" % (NEW + 1)),
            form(b"/N gs 1 g" + BOX, b"", NORMAL),
        ),
    ),
    "dashes that are a number": ("/D", state(b"/D [0 0]")),
    "a state for a pattern": ("/ca", mixed(b"", b"") | {NEW: b"<< /PatternType 2 /ExtGState << /ca 2 >> >>"}),
    "square dots by a state": ("/Contents", state(b"/LC 2", content=b"0 J /G gs 40 w 100 700 m 100 700 l S")),
}


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_what_all_programs_draw_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize(("what", "objects"), (DIFFERENT | REFUSED).values(), ids=DIFFERENT | REFUSED)
def test_what_programs_draw_differently_is_found(what: str, objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == [what]


@pytest.mark.real
@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_they_are_no_attacks(objects: Objects, tmp_path: Path) -> None:
    file = tmp_path / "usual.pdf"
    file.write_bytes(written(objects))
    assert not is_drawn_apart(file)


@pytest.mark.real
@pytest.mark.parametrize("objects", [objects for _, objects in DIFFERENT.values()], ids=DIFFERENT)
def test_they_are_attacks(objects: Objects, tmp_path: Path) -> None:
    """One of these programs shows something that another one does not show."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(objects))
    assert is_drawn_apart(file)
