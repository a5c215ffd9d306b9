"""Pages as pictures: sizes and colours, and malicious files."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import pikepdf
import pypdfium2
import pytest
import typst
from PIL import Image
from structlog.testing import capture_logs

from hub.documents.child import Limits
from hub.documents.contract.plain_form import write_plain_form
from hub.documents.page_drawing import draw_page, with_device_colours
from hub.documents.pages import PagePainter
from hub.errors import UnreadableFile


@pytest.fixture(scope="module")
def painter() -> Iterator[PagePainter]:
    painter = PagePainter()
    yield painter
    painter.close()


def pdf(*contents: bytes, size: tuple[int, int] = (595, 842)) -> bytes:
    document, output = pikepdf.new(), BytesIO()
    for content in contents:
        page = document.add_blank_page(page_size=size)
        page.Contents = document.make_stream(content)
    document.save(output)
    return output.getvalue()


INK = b"0.12 0.16 0.22 rg 100 700 200 40 re f"
SEAL = b"0.78 0.06 0.18 rg 300 100 100 100 re f"


def test_a_page_of_ink_has_sixteen_grays_and_one_with_a_seal_its_colours(painter: PagePainter) -> None:
    gray, coloured = (Image.open(BytesIO(image)) for image in painter.page_images(pdf(INK, INK + b" " + SEAL)))
    assert gray.size == coloured.size == (910, 1287)
    assert (gray.mode, coloured.mode) == ("L", "P")
    assert all(red == green == blue for red, green, blue in colours(gray))
    assert len(colours(gray)) <= 16 and len(colours(coloured)) <= 16
    assert any(red > 150 and blue < 90 for red, _, blue in colours(coloured))


@pytest.mark.parametrize("width", [590, 591, 592, 593])
def test_a_gray_page_has_the_shades_that_pdfium_draws(painter: PagePainter, width: int) -> None:
    """Whether its width in pixels is even or odd."""
    file = pdf(b"0.3 g 100 700 m 400 720 l 250 333 l h f 0.7 g 0 0 50 50 re f", size=(width, 842))
    with pypdfium2.PdfDocument(file) as document:
        expected = document[0].render(scale=110 / 72, grayscale=True).to_pil()
    drawn = Image.open(BytesIO(painter.page_images(file)[0]))
    assert drawn.size == expected.size
    assert [value // 17 for value in drawn.convert("L").tobytes()] == [value >> 4 for value in expected.tobytes()]


TYPST_COLOURS = b"""
#set page(width: 576pt, height: 288pt, margin: 0pt)
#let patch(number, colour) = place(
  dx: calc.rem(number, 64) * 9pt, dy: calc.quo(number, 64) * 9pt, rect(width: 9pt, height: 9pt, fill: colour))
#for gray in range(256) { patch(gray, luma(gray)) }
#let part(number, times) = calc.rem(number * times + 13, 256)
#for number in range(1000) { patch(256 + number, rgb(part(number, 37), part(number, 91), part(number, 151))) }
#pagebreak()
#for gray in range(256) { patch(gray, luma(gray)) }
"""


def test_pages_of_typst_look_the_same_without_its_profiles() -> None:
    file = typst.Compiler().compile(TYPST_COLOURS, format="pdf")
    assert isinstance(file, bytes)
    drawn = with_device_colours(file)
    assert (file.count(b"/ICCBased"), drawn.count(b"/ICCBased"), len(drawn)) == (2, 0, len(file))
    with pypdfium2.PdfDocument(file) as before, pypdfium2.PdfDocument(drawn) as after:
        assert all(pixels(before[page]) == pixels(after[page]) for page in range(2))
        assert draw_page(after[0], 1) == draw_page(before[0], 1)


def pixels(page: pypdfium2.PdfPage) -> tuple[bytes, bytes]:
    gray, coloured = page.render(grayscale=True), page.render()
    return bytes(gray.buffer), bytes(coloured.buffer)


def test_a_profile_that_is_not_of_typst_or_was_replaced_stays() -> None:
    file = typst.Compiler().compile(b"#text(fill: red)[red]", format="pdf")
    assert isinstance(file, bytes) and with_device_colours(file) != file
    profile = re.search(rb"\n\d+ 0 obj\n<</Length \d+/N 3/Range.+\nstream\n", file)
    assert profile is not None
    other = file[: profile.end()] + b"\0" + file[profile.end() + 1 :]
    assert with_device_colours(other) == other
    assert with_device_colours(file + profile[0]) == file + profile[0]


def test_a_strangers_text_is_drawn_as_it_stands_even_if_it_looks_like_a_profile() -> None:
    file = typst.Compiler().compile(b"#text(fill: red)[red]", format="pdf")
    assert isinstance(file, bytes)
    space = re.search(rb"obj\n\[/ICCBased (\d+) 0 R\]\nendobj\n", file)
    assert space is not None
    profile = re.search(rb"\n%s 0 obj\n<</Length .+?endstream" % space[1], file, re.DOTALL)
    assert profile is not None
    document = pikepdf.new()
    page = document.add_blank_page(page_size=(595, 842))
    page.Contents = document.make_stream(b"BT (" + space[0] + b") Tj ET\n")
    page.PieceInfo = document.make_stream(profile[0])
    foreign = write_plain_form(document, {"Title": "x"})
    assert space[0] in foreign and profile[0] in foreign and with_device_colours(foreign) == foreign


COLOURED = {
    "area": b"1 0 0 rg 9 9 90 90 re f",
    "line": b"1 0 0 RG 9 w 9 9 m 90 90 l S",
    "inside a form": b"/F Do",
    "picture": b"q 90 0 0 90 9 9 cm BI /W 1 /H 1 /CS /RGB /BPC 8 ID \xff\x00\x00 EI Q",
}


@pytest.mark.parametrize("kind", COLOURED)
def test_whatever_has_a_colour_is_drawn_in_it(painter: PagePainter, kind: str) -> None:
    document, output = pikepdf.new(), BytesIO()
    page = document.add_blank_page(page_size=(595, 842))
    form = document.make_stream(COLOURED["area"], Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form)
    form.BBox = [0, 0, 200, 200]
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(F=form))
    page.Contents = document.make_stream(COLOURED[kind])
    document.save(output)
    drawn = Image.open(BytesIO(painter.page_images(output.getvalue())[0]))
    assert any(red > 150 and blue < 90 for red, _, blue in colours(drawn))


def colours(image: Image.Image) -> set[tuple[int, int, int]]:
    found = image.convert("RGB").getcolors()
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}  # type: ignore[misc]


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"%PDF-1.7 nonsense",
        b"\x00" * 1000,
        pdf(INK)[:-400],
        pdf(INK, size=(14_000, 14_000)),
        pdf(*[b""] * 61),
    ],
    ids=["empty", "nonsense", "zeros", "cut", "huge page", "too many pages"],
)
def test_a_file_that_cannot_be_drawn_is_refused_and_the_next_one_works(painter: PagePainter, file: bytes) -> None:
    with pytest.raises(UnreadableFile):
        painter.page_images(file)
    assert len(painter.page_images(pdf(INK))) == 1


def test_a_file_that_takes_too_long_ends_the_child_only() -> None:
    painter = PagePainter(Limits(memory_bytes=768 * 1024 * 1024, cpu_seconds=1, seconds=60))
    slow = pdf(b"0 0 m 595 842 l 0 842 l 595 0 l h f " * 400_000)
    assert len(painter.page_images(pdf(INK))) == 1
    with capture_logs() as lines, pytest.raises(UnreadableFile, match="too much time or memory"):
        painter.page_images(slow)
    assert [(line["event"], line["exit"]) for line in lines] == [("child lost", -signal.SIGXCPU)]  # not tried again
    assert len(painter.page_images(pdf(INK))) == 1
    painter.close()


def test_a_child_that_died_between_two_files_is_replaced(painter: PagePainter) -> None:
    assert len(painter.page_images(pdf(INK))) == 1
    child = painter._process
    assert child is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead; it is the painter that has to notice
    assert len(painter.page_images(pdf(INK, INK))) == 2


@pytest.mark.parametrize("length", [1, 1_000_000], ids=["not answered", "not even taken"])
def test_a_child_that_stands_still_is_ended(painter: PagePainter, length: int) -> None:
    assert len(painter.page_images(pdf(INK))) == 1
    child, limits = painter._process, painter._limits
    assert child is not None
    child.send_signal(signal.SIGSTOP)
    painter._limits, began = replace(limits, seconds=0.2), time.monotonic()
    with pytest.raises(UnreadableFile, match="too much time or memory"):
        painter.page_images(os.urandom(length))  # a pipe holds 64 KB
    assert time.monotonic() - began < 10
    assert child.poll() == -signal.SIGKILL
    painter._limits = limits
    assert len(painter.page_images(pdf(INK))) == 1
