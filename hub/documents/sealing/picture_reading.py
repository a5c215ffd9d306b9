"""The child's part of `hub.documents.sealing.seal_upload`: read an uploaded PNG, and find its ink."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from itertools import compress
from typing import Final

from PIL import Image

from hub.documents.child import serve

PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# Pixels of a side. With fewer, a seal of 42 mm is not sharp; more are not needed, as 1,000 are 600 dots per inch.
MIN_SIDE, MAX_SIDE = 200, 2400
MAX_RATIO = 3
# Of 255. A pixel that is less opaque or lighter than this is background.
_OPAQUE, _LIGHT = 128, 215
# Fractions of all pixels: how much transparent background there has to be, and how much ink.
MIN_TRANSPARENT, MIN_INK, MAX_INK = 0.1, 0.01, 0.7


def _answer(png: bytes) -> bytes:
    """Return width, height and colour as a line of JSON, then the ink, one bit for each pixel."""
    if not png.startswith(PNG_HEAD):
        raise ValueError("it is not a PNG")
    width, height = struct.unpack(">II", png[len(PNG_HEAD) : len(PNG_HEAD) + 8])
    if not (min(width, height) >= MIN_SIDE and max(width, height) <= MAX_SIDE):  # checked before it is unpacked
        raise ValueError(f"it has {width} x {height} pixels: {MIN_SIDE} to {MAX_SIDE} on each side are allowed")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise ValueError("it is much longer than wide")
    with Image.open(BytesIO(png), formats=["PNG"]) as opened:
        if getattr(opened, "n_frames", 1) > 1:
            raise ValueError("it moves")
        picture = opened.convert("RGBA")
    return _ink_of(picture)


def _ink_of(picture: Image.Image) -> bytes:
    alpha, light = picture.getchannel("A"), picture.convert("L")
    opaque = alpha.point([255 if value >= _OPAQUE else 0 for value in range(256)])
    dark = light.point([255 if value < _LIGHT else 0 for value in range(256)])
    ink = Image.new("L", picture.size)
    ink.paste(dark, mask=opaque)
    count = picture.width * picture.height
    if opaque.histogram()[0] < MIN_TRANSPARENT * count:
        raise ValueError("its background is not transparent")
    share = ink.histogram()[255] / count
    if not MIN_INK <= share <= MAX_INK:
        raise ValueError(f"{share:.0%} of it is ink: a seal has {MIN_INK:.0%} to {MAX_INK:.0%}")
    inked = ink.tobytes()
    colour = [_mean(channel.tobytes(), inked) for channel in picture.convert("RGB").split()]
    return (
        json.dumps([picture.width, picture.height, colour]).encode()
        + b"\n"
        + ink.convert("1", dither=Image.Dither.NONE).tobytes()
    )


def _mean(values: bytes, inked: bytes) -> int:
    chosen = bytes(compress(values, inked))
    return sum(chosen) // len(chosen)


if __name__ == "__main__":
    Image.MAX_IMAGE_PIXELS = MAX_SIDE * MAX_SIDE
    serve(_answer, (ValueError,))
