"""Convert uploaded pictures of seals: a PNG becomes a stencil of one colour.

A seal has one ink, and a stencil needs no transparency, which final files must not have. The PNG is decoded in a
limited child.
"""

from __future__ import annotations

import io
import json
from typing import Final

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.errors import BadInput
from hub.model.sealing.seal import SealKind

LIMITS: Final = Limits(memory_bytes=512 * 1024 * 1024, cpu_seconds=10, seconds=20)
# The most bytes of an uploaded picture.
MAX_PICTURE_BYTES: Final = 1 << 20
SEAL_SIZE: Final = 42 / 25.4 * 72  # points: a company seal is 38 to 42 mm wide
NAME_SEAL_SIZE: Final = 20 / 25.4 * 72  # points: a name seal is 18 to 20 mm wide
_CHILD = "hub.documents.sealing.picture_reading"  # by its name: the hub itself does not import this module


class PictureReader(LimitedChild):
    """A reader of uploaded pictures in a warm child. One per process is enough; threads take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def read(self, png: bytes, kind: SealKind) -> bytes:
        """Return an uploaded picture as a stencil in PDF. Raises BadInput, with the reason, if it is no seal."""
        if len(png) > MAX_PICTURE_BYTES:
            raise BadInput(f"the picture has more than {MAX_PICTURE_BYTES // 1024} KB", field="picture")
        try:
            head, _, bits = self.ask(png).partition(b"\n")
        except ChildFailed as error:
            raise BadInput(f"the picture cannot be used: {error}", field="picture") from None
        width, height, colour = json.loads(head)
        size = NAME_SEAL_SIZE if kind is SealKind.REPRESENTATIVE else SEAL_SIZE
        return _stencil(bits, (width, height), colour, size)


def _stencil(bits: bytes, pixels: tuple[int, int], colour: list[int], size: float) -> bytes:
    """Return a PDF whose longer side has this size in points. `bits`: one for each pixel, 1 for ink; each row begins at
    a new byte."""
    import pikepdf  # takes 9 MB with its libraries; most processes read no picture

    scale = size / max(pixels)
    width, height = (round(side * scale, 2) for side in pixels)
    made = pikepdf.new()
    mask = pikepdf.Stream(
        made,
        bits,
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=pixels[0],
        Height=pixels[1],
        ImageMask=True,
        BitsPerComponent=1,
        Decode=[1, 0],
    )
    ink = " ".join(f"{part / 255:.3f}" for part in colour)
    page = made.add_blank_page(page_size=(width, height))
    page.Resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(Seal=made.make_indirect(mask)))
    page.Contents = made.make_stream(f"q {ink} rg {width} 0 0 {height} 0 0 cm /Seal Do Q".encode())
    output = io.BytesIO()
    made.save(output, deterministic_id=True, compress_streams=True)
    return output.getvalue()
