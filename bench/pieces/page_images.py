"""Draw page images as the hub does, and as it did before 2026-11-26: first in colour, no matter what the page shows."""

from __future__ import annotations

from io import BytesIO

import pypdfium2

from hub.documents.page_drawing import DOTS_PER_INCH, draw_page, is_coloured, sixteen_colours, sixteen_grays

_SCALE = DOTS_PER_INCH / 72


def draw_all(pdf: bytes) -> list[bytes]:
    """Return one PNG for each page."""
    with pypdfium2.PdfDocument(pdf) as document:
        document.init_forms()
        return [draw_page(document[index], _SCALE) for index in range(len(document))]


def draw_all_in_colour_first(pdf: bytes) -> list[bytes]:
    """Return one PNG for each page, by the method before 2026-11-26."""
    with pypdfium2.PdfDocument(pdf) as document:
        document.init_forms()
        return [_draw_in_colour_first(document[index]) for index in range(len(document))]


def _draw_in_colour_first(page: pypdfium2.PdfPage) -> bytes:
    image, output = page.render(scale=_SCALE, draw_annots=True).to_pil().convert("RGB"), BytesIO()
    reduced = sixteen_colours(image) if is_coloured(image) else sixteen_grays(image)
    reduced.save(output, "PNG", bits=4, compress_level=4)
    return output.getvalue()
