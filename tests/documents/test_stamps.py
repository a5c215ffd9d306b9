"""Stamps as they are printed: size, text, ink and bytes."""

from __future__ import annotations

import io
import math
from concurrent.futures import ThreadPoolExecutor

import pypdfium2
import pytest
from PIL import Image

from hub.documents.sealing.seal_upload import SEAL_SIZE
from hub.documents.signing.stamps import SignerStamp, Stroke, seal_stamp, signature_stamp
from hub.errors import BadInput, UndrawableText

WAVE: list[list[tuple[float, float]]] = [
    [(0.1 + 0.02 * n, 0.5 + 0.3 * math.sin(n / 2)) for n in range(30)],
    [(0.8, 0.2), (0.85, 0.8)],
    [(0.95, 0.5)],
]
SIZE = (160.0, 62.0)  # width and height in PDF points
TIME = "2026-11-24 15:48 (UTC+8)"


def page(pdf: bytes) -> pypdfium2.PdfPage:
    document = pypdfium2.PdfDocument(pdf)
    assert len(document) == 1
    return document[0]


def text(pdf: bytes) -> str:
    return str(page(pdf).get_textpage().get_text_bounded()).replace("\r\n", "\n")


def picture(pdf: bytes) -> Image.Image:
    image: Image.Image = page(pdf).render(scale=2).to_pil().convert("RGB")
    return image


def ink(image: Image.Image, box: tuple[float, float, float, float]) -> float:
    """Return how much of a part of the picture is ink (0 to 1). `box`: fractions from the upper left corner."""
    width, height = image.size
    part = image.crop((int(box[0] * width), int(box[1] * height), int(box[2] * width), int(box[3] * height)))
    gray = part.convert("L").tobytes()
    return sum(value < 200 for value in gray) / len(gray)


def test_a_printed_name_shows_rare_characters() -> None:
    stamp = signature_stamp(SignerStamp("欧阳㛃𠮷䶮", None, TIME, "zh"), SIZE)
    assert "欧阳㛃𠮷䶮" in text(stamp)
    assert TIME in text(stamp)
    assert ink(picture(stamp), (0.2, 0.1, 0.8, 0.6)) > 0.05


def test_a_drawing_shows_where_it_was_drawn() -> None:
    stamp = signature_stamp(SignerStamp("王小明", WAVE, TIME, "zh"), SIZE)
    assert "王小明" in text(stamp)
    shown = picture(stamp)
    # Three times as wide as high, in the middle: from 13 % to 87 % of this field.
    assert ink(shown, (0.2, 0, 0.7, 0.6)) > 0.01
    assert ink(shown, (0.0, 0, 0.13, 0.6)) == 0
    assert ink(shown, (0.78, 0, 0.81, 0.6)) == 0
    assert ink(shown, (0.81, 0.2, 0.87, 0.5)) > 0


def test_a_drawing_stands_beside_name_and_time_in_a_wide_field() -> None:
    shown = picture(signature_stamp(SignerStamp("王小明", WAVE, TIME, "zh"), (220.0, 48.0)))
    assert ink(shown, (0.02, 0, 0.6, 1)) > 0.01
    assert ink(shown, (0.66, 0.4, 1, 1)) > 0.01
    assert ink(shown, (0.66, 0, 1, 0.3)) == 0


@pytest.mark.parametrize("size", [SIZE, (220.0, 48.0), (90.0, 90.0)])
def test_a_stamp_is_as_large_as_its_field(size: tuple[float, float]) -> None:
    shown = page(signature_stamp(SignerStamp("Anna", WAVE, TIME, "en"), size)).get_size()
    assert shown == pytest.approx(size, abs=0.01)


def test_a_long_name_stays_inside() -> None:
    stamp = signature_stamp(SignerStamp("Anna-Maria Müller-Lüdenscheidt von Hohenzollern", None, TIME, "en"), SIZE)
    shown = picture(stamp)
    assert ink(shown, (0, 0, 0.02, 1)) == 0
    assert ink(shown, (0.98, 0, 1, 1)) == 0
    assert "Hohenzollern" in text(stamp)


def test_the_seal_is_round_and_red_and_carries_the_name() -> None:
    stamp = seal_stamp("启航教育集团")
    assert page(stamp).get_size() == pytest.approx((SEAL_SIZE, SEAL_SIZE), abs=0.01)
    for character in "启航教育集团":
        assert character in text(stamp)
    assert "合同专用章" in text(stamp)
    shown = picture(stamp)
    middle = shown.getpixel((shown.width // 2, shown.height // 2))
    assert middle == (0xC8, 0x10, 0x2E)
    assert ink(shown, (0, 0, 0.1, 0.1)) == 0


@pytest.mark.parametrize(
    "name", ["启", "启航", "北京市海淀区启航国际语言培训学校有限责任公司", "Qihang Education Group, Haidian"]
)
def test_short_and_long_organisations_fit_into_the_ring(name: str) -> None:
    shown = picture(seal_stamp(name))
    assert ink(shown, (0.45, 0.05, 0.55, 0.2)) > 0
    for corner in ((0, 0, 0.12, 0.12), (0.88, 0, 1, 0.12), (0, 0.88, 0.12, 1), (0.88, 0.88, 1, 1)):
        assert ink(shown, corner) == 0


def test_the_same_input_gives_the_same_bytes() -> None:
    first = (signature_stamp(SignerStamp("王小明", WAVE, TIME, "zh"), SIZE), seal_stamp("启航"))
    assert (signature_stamp(SignerStamp("王小明", WAVE, TIME, "zh"), SIZE), seal_stamp("启航")) == first
    assert signature_stamp(SignerStamp("王小朋", WAVE, TIME, "zh"), SIZE) != first[0]


def test_threads_do_not_disturb_each_other() -> None:
    names = [f"Name {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        stamps = list(pool.map(lambda name: signature_stamp(SignerStamp(name, WAVE, TIME, "en"), SIZE), names))
    for name, stamp in zip(names, stamps, strict=True):
        assert name in text(stamp)


@pytest.mark.parametrize(
    "hostile", ['#read("stamps.typ")', "#panic(1)", "$x^2$ *b* _i_", "]]; #let x = 1", '\\u{41}"}']
)
def test_texts_are_shown_and_never_run(hostile: str) -> None:
    assert hostile in text(signature_stamp(SignerStamp(hostile, None, TIME, "en"), SIZE))


@pytest.mark.parametrize(
    "strokes",
    [
        [],
        [[]],
        [[(0.5, 0.5)]] * 201,
        [[(0.5, 0.5)] * 5001],
        [[(1.01, 0.5)]],
        [[(-0.01, 0.5)]],
        [[(float("nan"), 0.5)]],
        [[(float("inf"), 0.5)]],
        [[(0.5,)]],
        [[(0.5, 0.5, 0.5)]],
        [["ab"]],
        [[(10**400, 0)]],
        [5],
    ],
    ids=["none", "empty", "strokes", "points", "right", "left", "nan", "inf", "one", "three", "text", "huge", "number"],
)
def test_what_is_no_drawing_is_refused(strokes: list[Stroke]) -> None:
    with pytest.raises(BadInput):
        signature_stamp(SignerStamp("王小明", strokes, TIME, "zh"), SIZE)


def test_texts_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(UndrawableText):
        signature_stamp(SignerStamp("王\u202e小明", None, TIME, "zh"), SIZE)
    for wrong in ("", "名" * 101):
        with pytest.raises(BadInput):
            seal_stamp(wrong)


def test_the_largest_drawing_is_drawn() -> None:
    strokes = [[(n / 25, (stroke % 10) / 10) for n in range(25)] for stroke in range(200)]
    assert len(picture(signature_stamp(SignerStamp("A", strokes, TIME, "en"), SIZE)).tobytes()) > 0


def test_the_drawing_survives_the_way_into_a_field() -> None:
    """The stamp is a plain page: no fonts are missing, and nothing refers to the outside."""
    stamp = signature_stamp(SignerStamp("王小明", WAVE, TIME, "zh"), SIZE)
    assert b"/URI" not in stamp
    assert b"/JavaScript" not in stamp
    assert io.BytesIO(stamp).read(5) == b"%PDF-"
