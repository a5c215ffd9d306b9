"""Change the pages of a school's PDF so that all programs draw the same ones. For limited children, as `plain_form`."""

from __future__ import annotations

import zlib
from typing import Any, Final

import pikepdf

from hub.documents.contract.pdf_check import list_contents

# Parts of the sheet that only some programs heed (ISO 32000-2 14.11.2).
OTHER_BOXES: Final = ("/CropBox", "/BleedBox", "/TrimBox", "/ArtBox")


def make_pages_plain(document: pikepdf.Pdf) -> None:
    """Cut the sheets to what is seen of them, write each page's contents as one stream and all contents without unusual
    packing, and leave out the borders of links. Raises ValueError for a page of which nothing is seen."""
    for drawn, _ in list(list_contents(document)):
        if isinstance(drawn, pikepdf.Stream):
            drawn.write(zlib.compress(drawn.read_bytes()), filter=pikepdf.Name.FlateDecode)
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


def _seen(sheet: pikepdf.Array, shown: pikepdf.Array) -> list[Any]:
    """Return the part of the sheet that is shown: left, bottom, right, top."""
    boxes = [[*map(min, box[:2], box[2:]), *map(max, box[:2], box[2:])] for box in map(list, (sheet, shown))]
    seen = [*map(max, boxes[0][:2], boxes[1][:2]), *map(min, boxes[0][2:], boxes[1][2:])]
    if not (seen[0] < seen[2] and seen[1] < seen[3]):
        raise ValueError("the PDF has contents that programs show in different ways: print it into a PDF first")
    return seen


def _joined(contents: Any) -> bytes:
    streams = contents if isinstance(contents, pikepdf.Array) else [contents]
    return b"\n".join(each.read_bytes() for each in streams)
