"""How a drawn stamp (a one-page PDF) becomes what shows in a signature field."""

from __future__ import annotations

import io
from typing import Final

from pyhanko.pdf_utils.content import PdfContent
from pyhanko.pdf_utils.layout import AxisAlignment, BoxConstraints, InnerScaling, Margins, SimpleBoxLayoutRule
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.stamp import StaticStampStyle

STAMP_NAME: Final = "/Stamp"
FILLING_THE_FIELD: Final = SimpleBoxLayoutRule(
    AxisAlignment.ALIGN_MID,
    AxisAlignment.ALIGN_MID,
    margins=Margins(),
    inner_content_scaling=InnerScaling.STRETCH_TO_FIT,
)


class _DrawnPage(PdfContent):
    """The first page of a PDF in memory as a form XObject (pyHanko's own class reads from disk only)."""

    def __init__(self, pdf: bytes) -> None:
        super().__init__()
        self._pdf = pdf

    def render(self) -> bytes:
        reader = PdfFileReader(io.BytesIO(self._pdf))
        form = self._ensure_writer.import_page_as_xobject(reader)
        self.resources.xobject[STAMP_NAME] = form
        left, bottom, right, top = form.get_object()["/BBox"]
        self.box = BoxConstraints(width=abs(right - left), height=abs(top - bottom))
        return STAMP_NAME.encode("ascii") + b" Do"


def stamp_style(appearance: bytes | None) -> StaticStampStyle:
    """For pyHanko: the drawn page over the whole field, or nothing at all."""
    background = _DrawnPage(appearance) if appearance is not None else None
    return StaticStampStyle(border_width=0, background=background, background_layout=FILLING_THE_FIELD)
