"""The child's part of `hub.documents.pages`: draw the pages of a PDF.

110 dots per inch are sharp enough to read on a phone. Most pages have no colour; pdfium draws them in gray, and they
are reduced to 16 grays, 4 bits a pixel. A page with a red seal or a drawn signature gets a palette of 16 colours.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
import zlib
from collections.abc import Callable
from ctypes import byref, c_float, c_uint, memmove
from io import BytesIO

import pypdfium2
import pypdfium2.raw as pdfium
from isal import isal_zlib
from PIL import Image, ImageChops

from hub.documents.child import serve
from hub.documents.pages import LENGTH
from hub.documents.shared_drawing import MAX_KEPT_BYTES, Bounds, SharedImages, SharedPages, is_covered

DOTS_PER_INCH = 110
_SCALE = DOTS_PER_INCH / 72
MAX_PAGES = 60
MAX_PIXELS = 20_000_000  # of one page; A4 at 110 dpi has 1.2 million
# How deep forms may be nested. Typst writes none, and pypdfium2 has the same limit.
MAX_FORM_DEPTH = 15
_LEVELS = 16
_COLOURED = 48  # difference of two channels (0 to 255) that counts as colour; the contract's ink stays below it
_PLAIN_OBJECTS = (pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_PATH, pdfium.FPDF_PAGEOBJ_FORM)
# The length of an empty text: pdfium returns UTF-16 with a zero at the end.
_EMPTY_TEXT_BYTES = 2
_PACKING_LEVEL = 1  # of 0 to 3
_SIXTEENTHS = [value >> 4 for value in range(256)]
_FILTER_PIXELS = 2
_WHITE = (255, 255, 255, 255)
_SEAL_RED = (0xC8, 0x10, 0x2E)
_INK = (0x12, 0x30, 0x4F)
_GRAYS = tuple((level * 255 // 8,) * 3 for level in range(9))
_REDS = tuple(tuple(255 - (255 - part) * share // 6 for part in _SEAL_RED) for share in range(1, 7))
# How files of Typst begin; `hub.documents.contract.plain_form` writes all others, and begins them differently.
_TYPST_HEAD = b"%PDF-1.7\n%\x80\x80\x80\x80\n"
# A colour space of a profile, as Typst writes it: an object of its own, with the profile in another one.
_PROFILED = re.compile(rb"obj\n\[/ICCBased (\d+) 0 R\]\nendobj\n")
_PROFILE = rb"\n%s 0 obj\n<</Length (\d+)/N [13]/Range\[[01 ]+\]/Filter/FlateDecode>>\nstream\n"
# Typst's two profiles, grays and sRGB, by the SHA-256 of their compressed bytes.
_DEVICE_COLOURS = {
    "8d8cdf7b66f7994f8792cecd63156a3e1d171420e9286b190d2b871b894caf94": b"/DeviceGray",
    "171d5af2b892cb0b0fa0255b06e1d999c487d8e29b81fc6d114b5a77c56036ad": b"/DeviceRGB",
}


def _answer(pdf: bytes) -> bytes:
    pdf = with_device_colours(pdf)
    with pypdfium2.PdfDocument(pdf) as document:
        pages = len(document)
        if not 1 <= pages <= MAX_PAGES:
            raise ValueError(f"it has {pages} pages; between 1 and {MAX_PAGES} are allowed")
        images = _try_shared(pdf) if pdf.startswith(_TYPST_HEAD) else None
        return _pack(draw_whole(document) if images is None else images)


def _try_shared(pdf: bytes) -> list[bytes] | None:
    """Return the images, drawn onto the parts that contracts share; None if that fails for any reason, because pdfium
    can draw files that cannot be split."""
    try:
        return draw_onto_shared(pdf, _shared)
    except Exception:
        return None


def draw_whole(document: pypdfium2.PdfDocument) -> list[bytes]:
    document.init_forms()  # pdfium draws signatures and the seal, which are form fields, only after this
    return [draw_page(page, _SCALE) for page in document]


def draw_onto_shared(pdf: bytes, shared: SharedImages) -> list[bytes] | None:
    """Return the images of a contract whose layout was drawn before; None if a page has to be drawn as a whole."""
    split = shared.split(pdf)
    if split is None:
        return None
    common = split.shared
    with pypdfium2.PdfDocument(split.own) as document:
        document.init_forms()
        pages = list(document)
        if any(map(may_have_colour, pages)):
            return None
        for page, parts, bounds in zip(pages, split.pages, common.bounds, strict=True):
            own = _find_bounds(page)
            if len(own) != len(parts.places) or is_covered(parts.places, own, bounds):
                return None
        images = [_gray_png(_draw_gray(page, _SCALE, below)) for page, below in zip(pages, common.images, strict=True)]
    if not common.is_proved:
        with pypdfium2.PdfDocument(pdf) as document:
            common.is_proved = images == draw_whole(document)
        if not common.is_proved:
            common.images.clear()
            return None
    return images


def draw_shared(pdf: bytes, groups: list[int]) -> SharedPages:
    """Return the pages' bitmaps; none if they are too large to keep, or if a page may have colours or does not have an
    object for each group."""
    with pypdfium2.PdfDocument(pdf) as document:
        pages = list(document)
        if sum(width * height for width, height in (_pixels(page, _SCALE) for page in pages)) > MAX_KEPT_BYTES:
            return SharedPages([], [])
        bounds = [_find_bounds(page) for page in pages]
        if any(map(may_have_colour, pages)) or list(map(len, bounds)) != groups:
            return SharedPages([], [])
        return SharedPages([bytes(_draw_gray(page, _SCALE).buffer) for page in pages], bounds)


def _find_bounds(page: pypdfium2.PdfPage) -> list[Bounds]:
    """Return the bounds of a page's objects, in the order in which they are drawn."""
    left, bottom, right, top = c_float(), c_float(), c_float(), c_float()
    found = list[Bounds]()
    for number in range(pdfium.FPDFPage_CountObjects(page.raw)):
        item = pdfium.FPDFPage_GetObject(page.raw, number)
        if pdfium.FPDFPageObj_GetBounds(item, byref(left), byref(bottom), byref(right), byref(top)):
            found.append((left.value, bottom.value, right.value, top.value))
    return found


_shared = SharedImages(draw_shared)


def _pack(images: list[bytes]) -> bytes:
    return b"".join(LENGTH.pack(len(image)) + image for image in images)


def with_device_colours(pdf: bytes) -> bytes:
    """Return this file with the device's colours in place of Typst's profiles, which mean the same colours.

    pdfium computes the tables of a profile anew for each file, which takes a fifth of its time. No byte moves, so all
    offsets stay right. Other profiles are kept. Files of other programs are not changed at all, because the same bytes
    may be text in them.
    """
    if not pdf.startswith(_TYPST_HEAD):
        return pdf
    return _PROFILED.sub(_name_device_colours, pdf, count=len(_DEVICE_COLOURS))


def _name_device_colours(space: re.Match[bytes]) -> bytes:
    pdf, number = space.string, space[1]
    profiles = list(re.finditer(_PROFILE % number, pdf))
    if len(profiles) != 1:  # a later revision may have replaced it
        return space[0]
    start = profiles[0].end()
    digest = hashlib.sha256(pdf[start : start + int(profiles[0][1])]).hexdigest()
    name = _DEVICE_COLOURS.get(digest)
    return space[0] if name is None else b"obj\n[%s]\nendobj\n" % name.ljust(len(space[0]) - len(b"obj\n[]\nendobj\n"))


def draw_page(page: pypdfium2.PdfPage, scale: float) -> bytes:
    """Return a page as a PNG. `scale`: pixels per point. Raises ValueError if the page is too large."""
    if not may_have_colour(page):
        return _gray_png(_draw_gray(page, scale))
    _pixels(page, scale)
    image = page.render(scale=scale, draw_annots=True).to_pil().convert("RGB")
    output = BytesIO()
    reduced = sixteen_colours(image) if is_coloured(image) else sixteen_grays(image)
    reduced.save(output, "PNG", bits=4, compress_level=4)  # level 6 would take 6 ms more for each page and save 1 %
    return output.getvalue()


def may_have_colour(page: pypdfium2.PdfPage) -> bool:
    """Return whether anything on the page may be coloured: a picture, a visible form field, or a colour."""
    for number in range(pdfium.FPDFPage_GetAnnotCount(page)):
        annotation = pdfium.FPDFPage_GetAnnot(page, number)
        appearance_bytes = pdfium.FPDFAnnot_GetAP(annotation, pdfium.FPDF_ANNOT_APPEARANCEMODE_NORMAL, None, 0)
        pdfium.FPDFPage_CloseAnnot(annotation)
        if appearance_bytes > _EMPTY_TEXT_BYTES:
            return True
    return _any_is_coloured(page.raw, pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject)


def _any_is_coloured(
    container: object, count: Callable[..., int], get: Callable[..., object], depth: int = MAX_FORM_DEPTH
) -> bool:
    """Return whether one of a page's or a form's objects is a picture or has a colour. pdfium is called directly, since
    a page has hundreds of objects, and a Python object for each would be slow."""
    red, green, blue, alpha = c_uint(), c_uint(), c_uint(), c_uint()
    parts = byref(red), byref(green), byref(blue), byref(alpha)
    for number in range(count(container)):
        item = get(container, number)
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind not in _PLAIN_OBJECTS:
            return True
        if pdfium.FPDFPageObj_GetFillColor(item, *parts) and abs(red.value - blue.value) > _COLOURED:
            return True
        if kind == pdfium.FPDF_PAGEOBJ_PATH and pdfium.FPDFPageObj_GetStrokeColor(item, *parts):
            if abs(red.value - blue.value) > _COLOURED:
                return True
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and (
            not depth
            or _any_is_coloured(item, pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject, depth - 1)
        ):
            return True
    return False


def _pixels(page: pypdfium2.PdfPage, scale: float) -> tuple[int, int]:
    """Return width and height. Raises ValueError if the page is too large."""
    width, height = page.get_size()
    if not 0 < width * scale * height * scale <= MAX_PIXELS:
        raise ValueError("a page is too large")
    return math.ceil(width * scale), math.ceil(height * scale)


def _draw_gray(page: pypdfium2.PdfPage, scale: float, below: bytes | None = None) -> pypdfium2.PdfBitmap:
    """Return pdfium's 8-bit gray bitmap, drawn onto a copy of `below` or onto white.

    Each row of a PNG begins with a byte for its filter, 0 for none. Two additional pixels to the left of the page,
    which stay black, become this byte.
    """
    width, height = _pixels(page, scale)
    bitmap = pypdfium2.PdfBitmap.new_native(_FILTER_PIXELS + width, height, pdfium.FPDFBitmap_Gray)
    if below is None:
        bitmap.fill_rect(_WHITE, _FILTER_PIXELS, 0, width, height)
    elif len(below) != len(bitmap.buffer):
        raise ValueError("a page and the image below it differ in size")
    else:
        memmove(bitmap.buffer, below, len(below))
    asked = _FILTER_PIXELS, 0, width, height, 0, pdfium.FPDF_ANNOT | pdfium.FPDF_GRAYSCALE
    pdfium.FPDF_RenderPageBitmap(bitmap, page, *asked)
    if page.formenv:
        pdfium.FPDF_FFLDraw(page.formenv, bitmap, page, *asked)
    return bitmap


def _gray_png(bitmap: pypdfium2.PdfBitmap) -> bytes:
    """Return a PNG with 16 grays, two pixels in a byte.

    Source: PNG (ISO/IEC 15948), 7.2, 9.2 and 11.2. Level 1 of ISA-L takes a fifth of the time of zlib with run-length
    encoding alone, and its output is an eighth smaller.
    """
    width, height = bitmap.width, bitmap.height
    image = Image.frombuffer("L", (width, height), bitmap.buffer, "raw", "L", bitmap.stride, 1)
    data = isal_zlib.compress(image.point(_SIXTEENTHS).tobytes("raw", "L;4"), _PACKING_LEVEL)
    head = struct.pack(">IIBBBBB", width - _FILTER_PIXELS, height, 4, 0, 0, 0, 0)
    chunks = _png_chunk(b"IHDR", head) + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def is_coloured(image: Image.Image) -> bool:
    """Return whether red and blue differ much in any pixel. They do in the seal's ink, but not in the contract's."""
    red, _, blue = image.split()
    extremes = ImageChops.difference(red, blue).getextrema()
    return isinstance(extremes[1], int | float) and extremes[1] > _COLOURED


def sixteen_grays(image: Image.Image) -> Image.Image:
    levels = image.convert("L").point(lambda value: value * _LEVELS // 256)
    indexed = Image.frombytes("P", levels.size, levels.tobytes())
    step = 255 // (_LEVELS - 1)
    indexed.putpalette([level * step for level in range(_LEVELS) for _ in "RGB"])
    return indexed


def sixteen_colours(image: Image.Image) -> Image.Image:
    """Return the image in nine grays, six shades of the seal's red, and the signers' ink.

    A palette made from the page itself would make small gray letters unreadable.
    """
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for shade in (*_GRAYS, *_REDS, _INK) for value in shade])
    return image.quantize(_LEVELS, palette=palette, dither=Image.Dither.NONE)


if __name__ == "__main__":
    serve(_answer, (ValueError, pypdfium2.PdfiumError))
