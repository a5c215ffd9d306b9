"""Pictures of seals: drawn ones show their texts, uploaded ones become a stencil or are refused with the reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from hub.documents.pades.picture import Picture
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.documents.sealing.register_sheet import TITLES
from hub.documents.sealing.seal_pictures import SealDrawing, draw_seal, name_columns
from hub.documents.sealing.seal_upload import MAX_PICTURE_BYTES, PictureReader
from hub.documents.table_file import TableForm, format_table
from hub.errors import BadInput
from hub.model.sealing.seal import SealKind

CODE = "91340100MA0000000G"
Colour = tuple[int, ...]


def text(pdf: bytes) -> str:
    return "".join(str(pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_bounded()).split())


@pytest.fixture(scope="module")
def reader() -> Iterator[PictureReader]:
    reader = PictureReader()
    yield reader
    reader.close()


def png(background: Colour = (0, 0, 0, 0), size: tuple[int, int] = (300, 300), width: int = 20) -> bytes:
    picture = Image.new("RGBA", size, background)
    ImageDraw.Draw(picture).ellipse((10, 10, size[0] - 10, size[1] - 10), outline=(200, 16, 46, 255), width=width)
    output = io.BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


def bomb() -> bytes:
    """Return a PNG of a few KB that says it has 60,000 pixels on each side."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1 << 20))), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_drawn_seals_show_their_texts() -> None:
    drawn = text(draw_seal(SealDrawing(SealKind.CAMPUS, "新航线教育集团", CODE, "合肥校区")))
    assert "新航线教育集团" in drawn and "合肥校区" in drawn and set(CODE) <= set(drawn)
    assert set(text(draw_seal(SealDrawing(SealKind.REPRESENTATIVE, "x", CODE, "顾远舟")))) == set("顾远舟印")
    assert name_columns("李明") == [["李", "明"], ["之", "印"]]
    with pytest.raises(BadInput):
        name_columns("李")


def test_an_uploaded_picture_is_a_stencil_of_its_ink(reader: PictureReader) -> None:
    pdf = reader.read(png(), SealKind.COMPANY)
    assert Picture.read(pdf).width == pytest.approx(119.06)  # 42 mm, and not transparent, or this would be refused
    shown = pypdfium2.PdfDocument(pdf)[0].render(scale=2).to_pil().convert("RGB")
    assert shown.getpixel((119, 119)) == (255, 255, 255) and shown.getpixel((119, 8)) == (200, 16, 46)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: b"GIF89a", "it is not a PNG"),
        (lambda: png()[:200], "cannot be used: its content cannot be processed"),
        (lambda: png(background=(255, 255, 255, 255)), "background is not transparent"),
        (lambda: png(size=(100, 100)), "pixels"),
        (lambda: png(size=(1000, 250)), "longer than wide"),
        (lambda: png(width=1, size=(2000, 2000)), "is ink"),
        (bomb, "pixels"),
        (lambda: bytes(MAX_PICTURE_BYTES + 1), "KB"),
    ],
    ids=["no PNG", "cut off", "no alpha", "small", "long", "empty", "bomb", "large"],
)
def test_what_is_no_seal_is_refused_with_the_reason(
    reader: PictureReader, make: Callable[[], bytes], reason: str
) -> None:
    with pytest.raises(BadInput, match=reason):
        reader.read(make(), SealKind.COMPANY)


def test_no_text_of_the_register_becomes_a_formula() -> None:
    line: list[str | int] = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", " =1", "＝1", "plain", 3]
    (_, cells) = format_table(TableForm.CSV, TITLES, [line]).decode("utf-8-sig").splitlines()
    assert cells == "'=1+1,'+1,'-1,'@SUM(1),'\t=1,' =1,'＝1,plain,3"
    reader = SpreadsheetReader()
    try:
        assert reader.rows(format_table(TableForm.XLSX, TITLES, [line]))[1] == [
            "=1+1",
            "+1",
            "-1",
            "@SUM(1)",
            "\t=1",
            " =1",
            "＝1",
            "plain",
            3.0,
        ]
    finally:
        reader.close()
