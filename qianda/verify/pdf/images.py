"""Distinguish pictures (ISO 32000-2 8.9) that all programs draw alike from those whose entries and data do not match.

Some programs draw missing data white, some black, and some leave out the picture. So a white picture could cover a sum
in one program only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qianda.pdf import Stream, Value
from qianda.verify.pdf.document import Document, Entries
from qianda.verify.pdf.unpacking import FLATE, inflated

MAX_SIDE: Final = 65_535
# A colour space is a list of a kind and up to four parts (8.6).
MAX_PARTS_OF_A_SPACE: Final = 5
_COLOURS: Final = {"/DeviceGray": 1, "/DeviceRGB": 3, "/DeviceCMYK": 4}
_DEPTHS: Final = (1, 2, 4, 8, 16)
_JPEG, _JPEG_2000 = "/DCTDecode", "/JPXDecode"
# Filters for pictures of two colours.
_BILEVEL: Final = ("/CCITTFaxDecode", "/JBIG2Decode")
# With these predictors, each row of data begins with an additional byte (7.4.4.4).
_PNG: Final = range(10, 16)
_PREDICTION: Final = {"/Predictor": 1, "/Colors": 1, "/BitsPerComponent": 8, "/Columns": 1}
# Markers of a JPEG (ITU-T T.81, B.1): the frames that programs draw, and the start of the data.
_FRAMES, _SCAN = (0xC0, 0xC1, 0xC2), 0xDA


@dataclass(frozen=True)
class Layout:
    """The size of a picture, the number of its colours, and the bits of each."""

    width: int
    height: int
    colours: int
    bits: int


def is_drawn_alike(document: Document, image: Stream) -> bool:
    """Return whether all programs draw this picture alike."""
    used = document.entry(image.entries, "/Filter")
    filters = used if isinstance(used, list) else [] if used is None else [used]
    if filters == [_JPEG_2000]:  # the data of JPEG 2000 state all of this themselves, and are never a mask (7.4.9)
        return document.entry(image.entries, "/ImageMask") is not True
    layout = _layout(document, image.entries)
    if layout is None:
        return False
    if len(filters) == 1 and filters[0] in _BILEVEL:
        return (layout.colours, layout.bits) == (1, 1)
    data = inflated(image.data) if filters[:1] == [FLATE] else image.data
    if data is None:
        return False
    if filters in ([_JPEG], [FLATE, _JPEG]):
        return layout.bits == 8 and _frame_of_jpeg(data) == (layout.height, layout.width, layout.colours)
    predictor = _predictor(document, image.entries, layout)
    row = -(-layout.width * layout.colours * layout.bits // 8) + (predictor in _PNG)
    return filters in ([], [FLATE]) and predictor is not None and len(data) >= row * layout.height


def _layout(document: Document, entries: Entries) -> Layout | None:
    width, height, bits = (document.entry(entries, name) for name in ("/Width", "/Height", "/BitsPerComponent"))
    is_mask = document.entry(entries, "/ImageMask") is True
    colours = 1 if is_mask else count_colours(document, document.entry(entries, "/ColorSpace"))
    if is_mask and bits is None:
        bits = 1
    if type(width) is not int or type(height) is not int or type(bits) is not int or colours is None:
        return None
    fits = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and bits in _DEPTHS
    return Layout(width, height, colours, bits) if fits else None


def count_colours(document: Document, space: Value) -> int | None:
    """Return how many numbers a colour has in this colour space; None if programs may count differently."""
    if isinstance(space, str):
        return _COLOURS.get(space)
    if not isinstance(space, list) or not 0 < len(space) <= MAX_PARTS_OF_A_SPACE:
        return None
    kind, *parts = (document.follow(each) for each in space)
    if kind == "/ICCBased" and len(parts) == 1 and isinstance(parts[0], Stream):
        stated = document.entry(parts[0].entries, "/N")
        return stated if type(stated) is int and stated in _COLOURS.values() else None
    if kind == "/Indexed" and len(parts) == 3:
        base, highest, table = count_colours(document, parts[0]), parts[1], _table(parts[2])
        whole = base is not None and type(highest) is int and table is not None and len(table) >= base * (highest + 1)
        return 1 if whole else None
    return None


def _table(value: Value) -> bytes | None:
    if isinstance(value, Stream):
        return inflated(value.data) if value.entries.get("/Filter") in (FLATE, [FLATE]) else value.data
    return value if isinstance(value, bytes) else None


def _predictor(document: Document, entries: Entries, layout: Layout) -> int | None:
    """Return the predictor; None if its parameters do not match the picture."""
    stated = document.entry(entries, "/DecodeParms")
    parameters = document.follow(stated[0]) if isinstance(stated, list) and len(stated) == 1 else stated
    if parameters is None:
        return 1
    if not isinstance(parameters, dict) or not parameters.keys() <= _PREDICTION.keys():
        return None
    predictor, *others = (parameters.get(name, usual) for name, usual in _PREDICTION.items())
    fits = predictor == 1 or others == [layout.colours, layout.bits, layout.width]
    return predictor if fits and type(predictor) is int else None


def _frame_of_jpeg(data: bytes) -> tuple[int, int, int] | None:
    """Return height, width and number of colours of a whole JPEG."""
    at = 2
    is_whole = data.startswith(b"\xff\xd8") and data.rstrip(b"\0\r\n").endswith(b"\xff\xd9")
    while is_whole and at + 9 < len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        if data[at + 1] in _FRAMES:
            return int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9]), data[at + 9]
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None
