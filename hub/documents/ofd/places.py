"""Compute where a seal is shown in an OFD: in one place of a page, or across the right edges of several (骑缝章)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.errors import BadInput
from qianda.ofd.page_list import OfdPage

# How far, in mm, a place may lie beyond a page's edge, because programs that write OFD files round the sizes.
_ROUNDING: Final = 0.05


@dataclass(frozen=True)
class StampPlace:
    """Where a seal is shown: the page's ID in the document, and a box (left, top, width, height) in mm from the page's
    upper left corner.

    `clip`: for a seal across pages, the part of the picture that is shown, as a box in the picture.
    """

    page: str
    box: tuple[float, float, float, float]
    clip: tuple[float, float, float, float] | None = None

    @property
    def shown(self) -> tuple[float, float, float, float]:
        """The box of the part that is shown, on the page."""
        if self.clip is None:
            return self.box
        left, top, width, height = self.clip
        return self.box[0] + left, self.box[1] + top, width, height


def across_pages(pages: Sequence[OfdPage], size: tuple[float, float], top: float) -> list[StampPlace]:
    """Return the places of a seal across all pages: on each page a strip of the picture at the right edge.

    `size`: width and height of the picture; `top`: the upper edge of the seal on the page; all in mm. Raises BadInput
    for fewer than two pages.
    """
    if len(pages) < 2:
        raise BadInput("A seal across pages needs two pages.", field="places")
    width, height = size
    strip = width / len(pages)
    return [
        StampPlace(
            page.number, (page.width - strip * (index + 1), top, width, height), (strip * index, 0.0, strip, height)
        )
        for index, page in enumerate(pages)
    ]


def check_places(pages: Sequence[OfdPage], places: Sequence[StampPlace]) -> None:
    """Raise BadInput if there is no place, or one on a page that does not exist or beyond its edges."""
    if not places:
        raise BadInput("A seal must be shown somewhere.", field="places")
    by_number = {page.number: page for page in pages}
    for place in places:
        page = by_number.get(place.page)
        if page is None:
            raise BadInput(f"The file has no page {place.page}.", field="places")
        left, top, width, height = place.shown
        inside = min(left, top) >= -_ROUNDING and left + width <= page.width + _ROUNDING
        if not (inside and top + height <= page.height + _ROUNDING and width > 0 and height > 0):
            raise BadInput(f"The seal would not be shown whole on page {place.page}.", field="places")
