"""Draw the pages of a PDF as images with pdfium, in a limited child: a hostile file can crash the child, not the
hub."""

from __future__ import annotations

import struct
from functools import partial
from typing import Final

from hub.documents.child import ChildFailed, LimitedChild, Limits
from hub.errors import UnreadableFile

LIMITS = Limits(memory_bytes=768 * 1024 * 1024, cpu_seconds=20, seconds=40)
# The length before each image in the child's answer.
LENGTH: Final = struct.Struct(">I")
_CHILD = "hub.documents.page_drawing"  # by its name: the hub itself does not import this module


class PagePainter(LimitedChild):
    """A painter of pages in a warm child. One per process is enough; threads that share it take turns."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        super().__init__(_CHILD, limits)

    def page_images(self, pdf: bytes) -> list[bytes]:
        """Return one PNG for each page, in order.

        Raises UnreadableFile if the file is no PDF, has no pages or too many, or crashes the reader.
        """
        try:
            return _unpack(self.ask(pdf))
        except ChildFailed as error:
            raise UnreadableFile(f"The PDF could not be read: {error}") from None

    async def draw(self, pdf: bytes) -> list[bytes]:
        """Do the same for a caller in the event loop."""
        return await self.in_turn(partial(self.page_images, pdf))


def _unpack(body: bytes) -> list[bytes]:
    images, start = [], 0
    while start < len(body):
        (length,) = LENGTH.unpack_from(body, start)
        start += LENGTH.size
        images.append(body[start : start + length])
        start += length
    return images
