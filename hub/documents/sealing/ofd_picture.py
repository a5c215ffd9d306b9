"""Convert the picture of a seal for an OFD, which cannot contain a PDF, to a PNG with a transparent background."""

from __future__ import annotations

from io import BytesIO

import pypdfium2

DOTS_PER_INCH = 300
_POINTS = 72 / 25.4  # a millimetre in PDF points
_TRANSPARENT = (255, 255, 255, 0)


def picture_of(pdf: bytes) -> bytes:
    """Return the first page of one of our pictures as a PNG."""
    with pypdfium2.PdfDocument(pdf) as document:
        image = document[0].render(scale=DOTS_PER_INCH / 72, fill_color=_TRANSPARENT).to_pil()
    output = BytesIO()
    image.save(output, "PNG", optimize=True)
    return output.getvalue()


def picture_size(pdf: bytes) -> tuple[int, int]:
    """Return width and height of the first page in whole millimetres, as an electronic seal states them."""
    with pypdfium2.PdfDocument(pdf) as document:
        width, height = document[0].get_size()
    return max(1, round(width / _POINTS)), max(1, round(height / _POINTS))
