"""A page as it is shown: its size, and the conversion of a place on it to the page's own coordinates.

A place is measured in points (1/72 inch) from the upper left corner of the page as a reader shows it: rotated by
/Rotate, cut to /CropBox, scaled by /UserUnit (ISO 32000-2, 7.7.3.3 and 8.3.2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from hub.documents.pades.plan import CannotUpdate, PagePlan

Box = tuple[float, float, float, float]
POINTS_PER_MM: Final = 72 / 25.4
# How a picture has to be turned to stand upright on a page that is rotated by this many degrees.
MATRICES: Final = {0: "", 90: "[0 1 -1 0 0 0]", 180: "[-1 0 0 -1 0 0]", 270: "[0 -1 1 0 0 0]"}
MAX_SIDE: Final = 1e6


@dataclass(frozen=True)
class PageFrame:
    """The frame of a page. `box`: the shown part of the page, in its own coordinates (left, bottom, right, top)."""

    box: Box
    turned: int = 0
    unit: float = 1.0

    @classmethod
    def of(cls, page: PagePlan) -> Self:
        """Return the frame of a page. Raises CannotUpdate if its size is missing or impossible."""
        try:
            media = _box(page.frame["/MediaBox"])
            crop = _box(page.frame["/CropBox"]) if "/CropBox" in page.frame else media
            turned = int(page.frame.get("/Rotate", "0")) % 360
            unit = float(page.entries.get("/UserUnit", "1"))
        except (KeyError, ValueError) as error:
            raise CannotUpdate("the size of a page cannot be read") from error
        box = (max(media[0], crop[0]), max(media[1], crop[1]), min(media[2], crop[2]), min(media[3], crop[3]))
        if not (box[0] < box[2] and box[1] < box[3] and turned in MATRICES and 0 < unit < MAX_SIDE):
            raise CannotUpdate("the size of a page is not possible")
        return cls(box, turned, unit)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the shown page in points."""
        width, height = (self.box[2] - self.box[0]) * self.unit, (self.box[3] - self.box[1]) * self.unit
        return (height, width) if self.turned in {90, 270} else (width, height)

    def shown(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point, given in the page's own coordinates, is shown."""
        left, bottom, right, top = self.box
        across, down = {
            0: (x - left, top - y),
            90: (y - bottom, x - left),
            180: (right - x, y - bottom),
            270: (top - y, right - x),
        }[self.turned]
        return across * self.unit, down * self.unit

    def own(self, place: Box) -> Box:
        """Return the rectangle of a shown place (left, top, width, height) in the page's own coordinates."""
        first = self._own_point(place[0], place[1])
        second = self._own_point(place[0] + place[2], place[1] + place[3])
        (left, right), (bottom, top) = (sorted(pair) for pair in zip(first, second, strict=True))
        return left, bottom, right, top

    def _own_point(self, across: float, down: float) -> tuple[float, float]:
        left, bottom, right, top = self.box
        across, down = across / self.unit, down / self.unit
        return {
            0: (left + across, top - down),
            90: (left + down, bottom + across),
            180: (right - across, bottom + down),
            270: (right - down, top - across),
        }[self.turned]


def frames_of(pages: Mapping[int, PagePlan], order: tuple[int, ...]) -> dict[int, PageFrame]:
    """Return the frames of the pages in a plan, by their position in the file, counted from 0."""
    return {place: PageFrame.of(pages[number]) for place, number in enumerate(order) if number in pages}


def _box(text: str) -> Box:
    first, second, third, fourth = (float(part) for part in text.strip("[] \n").split())
    left, right = sorted((first, third))
    bottom, top = sorted((second, fourth))
    return left, bottom, right, top
