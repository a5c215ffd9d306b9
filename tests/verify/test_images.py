"""Pictures whose entries and data do not fit together, which pdfium, Poppler and MuPDF draw in different ways."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from PIL import Image

from qianda.verify.pdf.drawing import find_drawn_differently
from qianda.verify.pdf.signed_file import SignedFile
from tests.browser.update_files import NEW, Objects, drawn
from tests.verify.readers import READERS
from tests.verify.sample_page import CONTENT, ONE_FORM, TEXT, beside, written

GRAY = b"/Width 8 /Height 8 /BitsPerComponent 8 /ColorSpace /DeviceGray "
FLATE, JPEG = b"/Filter /FlateDecode ", b"/Filter /DCTDecode "
DATA = b"\xff" * 64
PACKED = zlib.compress(DATA)
PREDICTED = b"/DecodeParms << /Predictor 15 /Columns 8 >> "


def picture(entries: bytes, data: bytes = DATA) -> Objects:
    """Return a page whose text is covered by the picture."""
    image = drawn(data).replace(b"<<", b"<< /Type /XObject /Subtype /Image " + entries, 1)
    return beside(ONE_FORM) | {CONTENT: drawn(TEXT + b" q 200 0 0 40 50 690 cm /X Do Q"), NEW: image}


def jpeg(size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, "white").save(file, "JPEG")
    return file.getvalue()


ALIKE = {
    "plain": picture(GRAY),
    "packed": picture(GRAY + FLATE, PACKED),
    "with more data": picture(GRAY, DATA + b"\n"),
    "with a prediction": picture(GRAY + FLATE + PREDICTED, zlib.compress((b"\0" + DATA[:8]) * 8)),
    "with a prediction in a list": picture(
        GRAY + b"/Filter [/FlateDecode] /DecodeParms [<< /Predictor 2 /Columns 8 /Colors 1 >>]", PACKED
    ),
    "without a prediction": picture(GRAY + FLATE + b"/DecodeParms << /Predictor 1 >>", PACKED),
    "a mask": picture(b"/Width 8 /Height 8 /ImageMask true ", DATA[:8]),
    "of a table": picture(GRAY.replace(b"/DeviceGray", b"[/Indexed /DeviceRGB 1 <000000ffffff>]"), bytes(64)),
    "a JPEG": picture(GRAY + JPEG, jpeg()),
    "a packed JPEG": picture(
        GRAY.replace(b"Gray", b"RGB") + b"/Filter [/FlateDecode /DCTDecode]", zlib.compress(jpeg(mode="RGB"))
    ),
    "a fax": picture(b"/Width 8 /Height 8 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /CCITTFaxDecode"),
    "a JPEG 2000": picture(b"/Width 8 /Height 8 /Filter /JPXDecode "),
}
DIFFERENT = {
    "data that end too early": picture(GRAY, DATA[:8]),
    "packed data that end too early": picture(GRAY + FLATE, zlib.compress(DATA[:20])),
    "packed data cut short": picture(GRAY + FLATE, PACKED[:-6]),
    "too few rows with a prediction": picture(GRAY + FLATE + PREDICTED, zlib.compress(DATA)),
    "a prediction for another width": picture(GRAY + FLATE + PREDICTED.replace(b"8", b"9"), zlib.compress(bytes(90))),
    "unknown parameters": picture(GRAY + FLATE + b"/DecodeParms << /Early 1 >>", PACKED),
    "an unknown packing": picture(GRAY + b"/Filter /Unknown "),
    "an old packing": picture(GRAY + b"/Filter /ASCIIHexDecode ", b"<" + DATA.hex().encode() + b">"),
    "packed twice": picture(GRAY + b"/Filter [/FlateDecode /FlateDecode] ", zlib.compress(PACKED)),
    "no depth": picture(GRAY.replace(b"/BitsPerComponent 8", b"")),
    "an odd depth": picture(GRAY.replace(b"/BitsPerComponent 8", b"/BitsPerComponent 3")),
    "no colours": picture(GRAY.replace(b"/ColorSpace /DeviceGray", b"")),
    "unknown colours": picture(GRAY.replace(b"/DeviceGray", b"/Gray")),
    "short names": picture(b"/W 8 /H 8 /BPC 8 /CS /G "),
    "no height": picture(GRAY.replace(b"/Height 8", b"/Height 0")),
    "a profile of no colours": picture(GRAY.replace(b"/DeviceGray", b"[/ICCBased %d 0 R]" % CONTENT)),
    "a JPEG of another size": picture(GRAY + JPEG, jpeg((8, 7))),
    "a JPEG of other colours": picture(GRAY + JPEG, jpeg(mode="RGB")),
    "a JPEG cut short": picture(GRAY + JPEG, jpeg()[:-20]),
    "a JPEG that is none": picture(GRAY + JPEG),
    "a fax in colours": picture(GRAY + b"/Filter /CCITTFaxDecode"),
    "a JPEG 2000 as a mask": picture(b"/Width 8 /Height 8 /ImageMask true /Filter /JPXDecode "),
}


@pytest.mark.parametrize("objects", ALIKE.values(), ids=ALIKE)
def test_pictures_that_all_programs_draw_alike(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == []


@pytest.mark.parametrize("objects", DIFFERENT.values(), ids=DIFFERENT)
def test_pictures_that_programs_draw_differently(objects: Objects) -> None:
    assert find_drawn_differently(SignedFile(written(objects)).now) == ["/Image"]


@pytest.mark.real
@pytest.mark.parametrize("name", ["data that end too early", "packed data cut short", "no depth", "short names"])
def test_they_are_attacks(name: str, tmp_path: Path) -> None:
    """One of these programs shows the sum, or a black area, where another one shows nothing."""
    file = tmp_path / "odd.pdf"
    file.write_bytes(written(DIFFERENT[name]))
    blank = {min(read(file).pages[0].convert("L").tobytes()) > 100 for read in READERS.values()}
    assert blank == {True, False}
