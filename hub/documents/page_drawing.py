"""The child's side of `hub.documents.pages`: draws pages of a PDF.

110 dots per inch is sharp enough to read on a phone. Most pages have no colour: 16 grays, 4 bits a pixel. A page with
a red seal or a drawn signature gets a palette of 16 colours of its own.
"""

from __future__ import annotations

import json
from io import BytesIO

import pypdfium2
from PIL import Image, ImageChops

from hub.documents.child import serve
from hub.documents.pages import LENGTH

DOTS_PER_INCH = 110
MAX_PAGES = 60
MAX_PIXELS = 20_000_000  # of one page; A4 at 110 dpi has 1.2 million
_LEVELS = 16
_COLOURED = 48  # of 255: how far two channels differ before a page counts as coloured; dark blue ink stays below it
_SEAL_RED = (0xC8, 0x10, 0x2E)
_INK = (0x12, 0x30, 0x4F)
_GRAYS = tuple((level * 255 // 8,) * 3 for level in range(9))
_REDS = tuple(tuple(255 - (255 - part) * share // 6 for part in _SEAL_RED) for share in range(1, 7))


def _answer(question: bytes) -> bytes:
    head, _, pdf = question.partition(b"\n")
    what = json.loads(head)
    with pypdfium2.PdfDocument(pdf) as document:
        pages = len(document)
        if not 1 <= pages <= MAX_PAGES:
            raise ValueError(f"it has {pages} pages; between 1 and {MAX_PAGES} are allowed")
        if what == "count":
            return str(pages).encode()
        document.init_forms()  # signatures and the seal are form fields: pdfium draws them only so
        return _pack([_draw(document[index], DOTS_PER_INCH / 72) for index in range(pages)])


def _pack(images: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(image)) + image for image in images)


def _draw(page: pypdfium2.PdfPage, scale: float) -> bytes:
    width, height = page.get_size()
    if not 0 < width * scale * height * scale <= MAX_PIXELS:
        raise ValueError("a page is too large")
    image = page.render(scale=scale, draw_annots=True).to_pil().convert("RGB")
    output = BytesIO()
    reduced = _sixteen_colours(image) if _is_coloured(image) else _sixteen_grays(image)
    reduced.save(output, "PNG", bits=4, compress_level=4)  # level 6 takes 6 ms more a page and saves 1 %
    return output.getvalue()


def _is_coloured(image: Image.Image) -> bool:
    """Whether any pixel's red and blue lie apart: seal red does, the contract's ink does not."""
    red, _, blue = image.split()
    extremes = ImageChops.difference(red, blue).getextrema()
    return isinstance(extremes[1], int | float) and extremes[1] > _COLOURED


def _sixteen_grays(image: Image.Image) -> Image.Image:
    levels = image.convert("L").point(lambda value: value * _LEVELS // 256)
    indexed = Image.frombytes("P", levels.size, levels.tobytes())
    step = 255 // (_LEVELS - 1)
    indexed.putpalette([level * step for level in range(_LEVELS) for _ in "RGB"])
    return indexed


def _sixteen_colours(image: Image.Image) -> Image.Image:
    """Nine grays, six shades of seal red, the signers' ink: a palette made from the page itself would spoil small
    gray letters."""
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for shade in (*_GRAYS, *_REDS, _INK) for value in shade])
    return image.quantize(_LEVELS, palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    serve(_answer, (ValueError, pypdfium2.PdfiumError))
