"""Change the pages of a school's PDF so that all programs draw them alike. For limited children, as `plain_form`."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Any, Final

import pikepdf

from hub.documents.contract.pdf_check import dictionaries

SHOWN_DIFFERENTLY: Final = "the PDF has contents that programs show in different ways: print it into a PDF first"
# Boxes of a page that only some programs respect (ISO 32000-2 14.11.2).
OTHER_BOXES: Final = ("/CropBox", "/BleedBox", "/TrimBox", "/ArtBox")
# Old filters for pictures; Flate replaces them (7.4).
OLD_FILTERS: Final = {"/ASCIIHexDecode", "/ASCII85Decode", "/LZWDecode", "/RunLengthDecode"}
# A photograph, written as text.
TEXT_OF_JPEG: Final = ["/ASCII85Decode", "/DCTDecode"]


def make_pages_plain(document: pikepdf.Pdf) -> None:
    """Crop each sheet to its visible part, write each page's contents as one stream, repack contents, and pictures with
    old filters, by Flate, and remove the borders of links.

    Raises ValueError for a page without a visible part, and for data that cannot be unpacked.
    """
    for each in document.objects:
        if isinstance(each, pikepdf.Stream) and _filters(each) == TEXT_OF_JPEG:
            each.write(_untexted(each.read_raw_bytes()), filter=pikepdf.Name.DCTDecode)
    for drawn in list(_to_be_packed(document)):
        drawn.write(zlib.compress(_unpacked(drawn)), filter=pikepdf.Name.FlateDecode)
    for page in document.pages:
        page.obj.MediaBox = pikepdf.Array(_seen(page.mediabox, page.cropbox))
        for name in OTHER_BOXES:
            if name in page.obj:
                del page.obj[name]
        if "/Contents" in page.obj:
            content = zlib.compress(_joined(page.obj.Contents))
            page.obj.Contents = document.make_stream(content, Filter=pikepdf.Name.FlateDecode)
        for link in page.obj.get("/Annots", ()):
            link.Border = pikepdf.Array([0, 0, 0])
            if "/BS" in link:
                del link["/BS"]


def _to_be_packed(document: pikepdf.Pdf) -> Iterator[pikepdf.Stream]:
    """Yield the forms, patterns and letters that pages may draw, and pictures with old filters."""
    for each in document.objects:
        if isinstance(each, pikepdf.Stream):
            filters = set(_filters(each))
            is_old = filters & OLD_FILTERS and filters <= {*OLD_FILTERS, "/FlateDecode"}
            if each.get("/Subtype") == "/Form" or "/PatternType" in each or is_old:
                yield each
        for font in dictionaries(each):
            yield from (letter for letter in font.get("/CharProcs", {}).values() if isinstance(letter, pikepdf.Stream))


def _filters(stream: pikepdf.Stream) -> list[str]:
    used = stream.get("/Filter", pikepdf.Array())
    return [str(name) for name in (used if isinstance(used, pikepdf.Array) else [used])]


def _seen(sheet: pikepdf.Array, shown: pikepdf.Array) -> list[Any]:
    """Return the part of the sheet that is shown: left, bottom, right, top."""
    boxes = [[*map(min, box[:2], box[2:]), *map(max, box[:2], box[2:])] for box in map(list, (sheet, shown))]
    seen = [*map(max, boxes[0][:2], boxes[1][:2]), *map(min, boxes[0][2:], boxes[1][2:])]
    if not (seen[0] < seen[2] and seen[1] < seen[3]):
        raise ValueError(SHOWN_DIFFERENTLY)
    return seen


def _untexted(text: bytes) -> bytes:
    try:
        return base64.a85decode(text.strip(), adobe=True)
    except ValueError:
        raise ValueError(SHOWN_DIFFERENTLY) from None


def _unpacked(stream: pikepdf.Stream) -> bytes:
    try:
        return stream.read_bytes()
    except pikepdf.PdfError:
        raise ValueError(SHOWN_DIFFERENTLY) from None


def _joined(contents: Any) -> bytes:
    streams = contents if isinstance(contents, pikepdf.Array) else [contents]
    return b"\n".join(map(_unpacked, streams))
