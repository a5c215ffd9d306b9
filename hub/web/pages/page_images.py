"""Draw images of contract pages, once per document, and cache them within a memory limit."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from hub.documents.pages import PagePainter
from hub.errors import UnreadableFile

MAX_BYTES = 64 << 20
# Seconds for which a document that could not be drawn twice is not tried again: an attempt may take the painter's whole
# time. The first failure may be that of a busy machine.
FAILURE_MEMORY = 300.0
MAX_FAILURES = 1_000


class PageImages:
    """An LRU cache by the SHA-256 of the document. Simultaneous requests for a document share one rendering. Repeated
    failures are remembered for a while. `clock`: seconds."""

    def __init__(
        self, painter: PagePainter, most_bytes: int = MAX_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._painter = painter
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, list[bytes]] = OrderedDict()
        self._bytes = 0
        self._clock = clock
        # When a document failed last, why, and whether it had failed not long before.
        self._failed: OrderedDict[str, tuple[float, str, bool]] = OrderedDict()
        self._drawing: dict[str, asyncio.Task[list[bytes]]] = {}

    async def of(self, sha256: str, load: Callable[[str], Awaitable[bytes]]) -> list[bytes]:
        """Return one PNG per page. `load` returns the PDF. Raises what `load` raises, or UnreadableFile."""
        if sha256 in self._kept:
            self._kept.move_to_end(sha256)
            return self._kept[sha256]
        failed_at, why, again = self._failed.get(sha256, (-math.inf, "", False))
        if again and self._clock() < failed_at + FAILURE_MEMORY:
            raise UnreadableFile(why)
        task = self._drawing.get(sha256)
        if task is None:
            task = self._drawing[sha256] = asyncio.create_task(self._draw(sha256, load))
            task.add_done_callback(lambda _: self._drawing.pop(sha256, None))
        return await asyncio.shield(task)  # other visitors may be waiting for it

    async def _draw(self, sha256: str, load: Callable[[str], Awaitable[bytes]]) -> list[bytes]:
        pdf = await load(sha256)
        try:
            images = await self._painter.draw(pdf)
        except UnreadableFile as error:
            again = self._clock() < self._failed.get(sha256, (-math.inf,))[0] + 2 * FAILURE_MEMORY
            self._failed[sha256] = self._clock(), str(error), again
            self._failed.move_to_end(sha256)
            if len(self._failed) > MAX_FAILURES:
                self._failed.popitem(last=False)
            raise
        self._failed.pop(sha256, None)
        self._keep(sha256, images)
        return images

    def _keep(self, sha256: str, images: list[bytes]) -> None:
        self._kept[sha256] = images
        self._bytes += _size(images)
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _size(gone)


def _size(images: list[bytes]) -> int:
    return sum(len(image) for image in images)
