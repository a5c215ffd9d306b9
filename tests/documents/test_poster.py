"""Posters on paper: what is on them, and that phones can read the code however the camera is held."""

from __future__ import annotations

import io

import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageFilter

from channels import Doorway
from channels.poster import LOGO_SHARE, PosterDoor
from channels.qr import matrix
from hub.documents.school.poster import CourseLine, PosterFacts, poster_sheet, sticker_sheet
from hub.errors import UndrawableText
from hub.model.signing.link import format_ticket

ORIGIN, TICKET = "http://127.0.0.1:8080", "4J8Q2X7M3K9TB"
DOORWAY = Doorway(f"{ORIGIN}/p/{TICKET}", f"{ORIGIN}/P/{TICKET}".upper(), TICKET, format_ticket(TICKET))
COURSE = CourseLine("数学素养A", "Mathematics A", "3,000.00", "2026-12-07 – 2027-02-24，每周一、周三 18:30–20:00")


def logo(width: int = 300, height: int = 300) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (width, height), "#c8102e").save(output, "PNG")
    return output.getvalue()


def facts(courses: int = 2, picture: bytes | None = None, title: str = "寒假班 2026 报名") -> PosterFacts:
    svg = PosterDoor(picture).render(DOORWAY).svg or ""
    return PosterFacts(
        "新航线教育集团", "合肥校区", title, [COURSE] * courses, svg, DOORWAY.short_code, f"{ORIGIN}/s", "0551-00000001"
    )


def painted(pdf: bytes, dpi: int = 110) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1
        image: Image.Image = document[0].render(scale=dpi / 72).to_pil().convert("L")
    return image


def words(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return str(document[0].get_textpage().get_text_bounded())


def read(image: Image.Image) -> set[str]:
    return {each.text for each in zxingcpp.read_barcodes(image)}


def seen_from_the_side(image: Image.Image) -> Image.Image:
    """Return the picture as seen from the side: the right edge is a third further away than the left one."""
    width, height = image.size
    corners = ((0, 0), (0, height), (width * 0.85, height * 0.87), (width * 0.85, height * 0.13))  # where they move to
    return image.transform(image.size, Image.Transform.PERSPECTIVE, _coefficients(corners, image.size), fillcolor=255)


def _coefficients(seen: tuple[tuple[float, float], ...], size: tuple[int, int]) -> list[float]:
    width, height = size
    flat = ((0, 0), (0, height), (width, height), (width, 0))
    rows: list[list[float]] = []
    values: list[float] = []
    for (x, y), (u, v) in zip(seen, flat, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return _solved(rows, values)


def _solved(rows: list[list[float]], values: list[float]) -> list[float]:
    """Solve a linear system by Gauss elimination with pivots: eight unknowns do not need a library."""
    table = [[*row, value] for row, value in zip(rows, values, strict=True)]
    for column in range(len(table)):
        pivot = max(range(column, len(table)), key=lambda row: abs(table[row][column]))
        table[column], table[pivot] = table[pivot], table[column]
        table[column] = [value / table[column][column] for value in table[column]]
        for row in range(len(table)):
            if row != column:
                factor = table[row][column]
                table[row] = [a - factor * b for a, b in zip(table[row], table[column], strict=True)]
    return [row[-1] for row in table]


@pytest.mark.parametrize("picture", [None, logo()], ids=["plain", "with a logo"])
def test_the_code_is_read_however_the_phone_is_held(picture: bytes | None) -> None:
    flat = painted(poster_sheet(facts(picture=picture)))
    assert read(flat) == {DOORWAY.scan_url}
    for angle in (17, 45, 90, 200):
        assert read(flat.rotate(angle, expand=True, fillcolor=255)) == {DOORWAY.scan_url}, angle
    assert read(seen_from_the_side(flat)) == {DOORWAY.scan_url}
    assert read(seen_from_the_side(flat.rotate(30, expand=True, fillcolor=255))) == {DOORWAY.scan_url}
    assert read(flat.filter(ImageFilter.GaussianBlur(4))) == {DOORWAY.scan_url}
    far = flat.resize((flat.width // 5, flat.height // 5), Image.Resampling.BILINEAR)
    assert read(far.filter(ImageFilter.GaussianBlur(0.7))) == {DOORWAY.scan_url}


@pytest.mark.parametrize("picture", [None, logo()], ids=["plain", "with a logo"])
def test_every_sticker_can_be_read(picture: bytes | None) -> None:
    sheet = painted(sticker_sheet(facts(picture=picture)), dpi=200)
    found = zxingcpp.read_barcodes(sheet.filter(ImageFilter.GaussianBlur(1)))
    assert [each.text for each in found] == [DOORWAY.scan_url] * 24
    assert words(sticker_sheet(facts())).count(DOORWAY.short_code) == 24


@pytest.mark.parametrize("courses", [1, 5, 12])
def test_one_page_however_many_courses(courses: int) -> None:
    pdf = poster_sheet(facts(courses, title="一张标题很长的海报" * 4))
    text = words(pdf)
    assert read(painted(pdf)) == {DOORWAY.scan_url}
    assert text.count("3,000.00") == courses and DOORWAY.short_code in text and f"{ORIGIN}/s" in text


def test_the_same_facts_give_the_same_bytes() -> None:
    assert poster_sheet(facts()) == poster_sheet(facts())


def test_a_title_that_cannot_be_printed_is_refused() -> None:
    with pytest.raises(UndrawableText):
        poster_sheet(facts(title="\U0001f600"))


def test_the_code_stays_small() -> None:
    assert matrix(DOORWAY.scan_url).version == 2
    shown = PosterDoor(logo(300, 150)).render(DOORWAY)
    assert read(Image.open(io.BytesIO(shown.png or b""))) == {DOORWAY.scan_url}
    modules = Image.open(io.BytesIO(shown.png or b"")).width // 10 - 8
    assert modules == 29  # version 3, level Q
    assert f'width="{modules * LOGO_SHARE:.3f}" height="{modules * LOGO_SHARE / 2:.3f}"' in (shown.svg or "")


def test_a_logo_is_a_png() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        PosterDoor(b"<svg/>")
