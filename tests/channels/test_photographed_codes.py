"""QR codes as a phone's camera sees them: turned, from the side, out of focus, in bad light; with a logo and
without."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from channels import Doorway
from channels.poster import PosterDoor
from channels.qr import Qr
from tests.documents.test_poster import seen_from_the_side

TICKET = "7F3KQ0ZC8M2XA"
PICTURE = (1080, 1440)  # pixels that a camera preview gives to the reader; photographs are larger
SIDE = 420  # of the code in the picture, in pixels
ADDRESSES = {
    "short": "HTTPS://QD.EXAMPLE.CN/S/7F3KQ0ZC8M2XA",
    "a private address": "HTTPS://192.168.177.123:18080/S/7F3KQ0ZC8M2XA",
    "long": "HTTPS://SIGN.NEW-COURSE-EDUCATION-GROUP.EXAMPLE.ORG/P/7F3KQ0ZC8M2XA",
}
WITH_LOGO = (False, True)


@cache
def logo() -> bytes:
    """Return an opaque red seal that fills its square, as PNG: no part of the code can be seen through it."""
    image = Image.new("RGB", (300, 300), "#c8102e")
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((30, 30, 270, 270), outline="white", width=20)
    drawing.rectangle((120, 90, 180, 210), fill="white")
    output = BytesIO()
    image.save(output, "PNG")
    return output.getvalue()


def code(address: str, with_logo: bool) -> Image.Image:
    doorway = Doorway(address.lower(), address, TICKET, TICKET)
    png = (PosterDoor(logo()) if with_logo else Qr()).render(doorway).png
    assert png is not None
    return Image.open(BytesIO(png)).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def photograph(printed: Image.Image, degrees: float = 0) -> Image.Image:
    """Return a picture of a phone camera's size with the code on grey paper in the middle, turned by `degrees`."""
    picture = Image.new("RGB", PICTURE, "#8d8a84")
    paper = printed.convert("RGBA").rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    picture.paste(paper, ((PICTURE[0] - paper.width) // 2, (PICTURE[1] - paper.height) // 2), paper)
    return picture.convert("L")


def in_bad_light(picture: Image.Image) -> Image.Image:
    """Return the picture darker, with less contrast, and with a shadow to one side."""
    shade = Image.linear_gradient("L").resize(picture.size).point(lambda value: 110 + value // 4)
    dark = Image.composite(picture, Image.new("L", picture.size, 0), shade)
    return ImageEnhance.Contrast(dark).enhance(0.6)


def read(picture: Image.Image) -> str | None:
    found = zxingcpp.read_barcode(picture)
    return found.text if found else None


@pytest.mark.parametrize("with_logo", WITH_LOGO, ids=["plain", "logo"])
@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_code_is_read_however_the_phone_is_held(address: str, with_logo: bool) -> None:
    printed = code(address, with_logo)
    for degrees in (15, 90, -160):
        turned = photograph(printed, degrees)
        assert read(turned) == address, degrees
        assert read(turned.filter(ImageFilter.GaussianBlur(2))) == address, f"blurred, {degrees}"
    aside = seen_from_the_side(photograph(printed, 15))
    assert read(aside) == address
    assert read(aside.filter(ImageFilter.GaussianBlur(1.5))) == address
    assert read(in_bad_light(photograph(printed, 15))) == address


@pytest.mark.parametrize("address", ADDRESSES.values(), ids=ADDRESSES)
def test_a_code_with_a_logo_that_is_half_dirty_is_read(address: str) -> None:
    """The higher error correction level leaves room for a logo and for a missing corner of the data."""
    printed = code(address, with_logo=True)
    module = SIDE / 41
    right, below = SIDE - 5 * module, SIDE - 5 * module
    ImageDraw.Draw(printed).rectangle((right - 3 * module, below - 2 * module, right, below), fill="white")
    assert read(photograph(printed, 15)) == address
