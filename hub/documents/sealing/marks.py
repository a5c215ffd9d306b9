"""Turn a place into marks on pages: where exactly the seal is shown, in points of the page as shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from hub.documents.pades.new_seal import SealMark
from hub.documents.pades.page_frame import POINTS_PER_MM, PageFrame
from hub.model.sealing.seal_fault import CannotSeal, SealFault
from hub.model.sealing.seal_place import ALL, AcrossPages, OnPage, OverKeyword

# The most pages that share one seal across their edges. With more, the strips would be too narrow to show anything.
MAX_PAGES_ACROSS: Final = 20
# Points by which a seal may extend beyond the edge, because page sizes are rounded.
EDGE: Final = 0.5

Size = tuple[float, float]  # width and height in points
Spot = tuple[int, float, float]  # a page, counted from 0, and a point on the shown page


def mark_on_page(place: OnPage, size: Size, frames: Mapping[int, PageFrame]) -> tuple[SealMark, ...]:
    """Return the mark whose centre is at the place. Raises CannotSeal if it would not be entirely on the page."""
    page = max(frames) if place.page is None else place.page - 1
    width, height = frames[page].size
    left = place.x * POINTS_PER_MM - size[0] / 2
    top = place.y * POINTS_PER_MM - size[1] / 2
    if left < -EDGE or top < -EDGE or left + size[0] > width + EDGE or top + size[1] > height + EDGE:
        raise CannotSeal(SealFault.OUTSIDE_PAGE)
    return (SealMark(page, (left, top, *size)),)


def choose_findings(place: OverKeyword, found: int) -> list[int]:
    """Return which occurrences of the keyword are meant, counted from 0. Raises CannotSeal."""
    if not found:
        raise CannotSeal(SealFault.KEYWORD_MISSING)
    if place.finding is None:
        if found > 1:
            raise CannotSeal(SealFault.KEYWORD_AMBIGUOUS)
        return [0]
    if place.finding == ALL:
        return list(range(found))
    if place.finding > found:
        raise CannotSeal(SealFault.KEYWORD_TOO_FEW)
    return [place.finding - 1]


def marks_over(spots: Sequence[Spot], size: Size, frames: Mapping[int, PageFrame]) -> tuple[SealMark, ...]:
    """Return a mark over each spot. A mark that would extend beyond the edge is moved onto the page. Raises CannotSeal
    for a page that is smaller than the seal."""
    marks = []
    for page, x, y in spots:
        width, height = frames[page].size
        if size[0] > width or size[1] > height:
            raise CannotSeal(SealFault.OUTSIDE_PAGE)
        left = min(max(x - size[0] / 2, 0.0), width - size[0])
        top = min(max(y - size[1] / 2, 0.0), height - size[1])
        marks.append(SealMark(page, (left, top, *size)))
    return tuple(marks)


def marks_across(place: AcrossPages, size: Size, frames: Mapping[int, PageFrame]) -> tuple[SealMark, ...]:
    """Return a strip at the right edge of each page. Each run of up to MAX_PAGES_ACROSS pages shows a whole seal.
    Raises CannotSeal for a single page, or a place beyond a page."""
    if len(frames) < 2:
        raise CannotSeal(SealFault.ONE_PAGE)
    marks = []
    for run in runs_of_pages(len(frames)):
        width = size[0] / len(run)
        for number, page in enumerate(run):
            shown_width, shown_height = frames[page].size
            middle = shown_height / 2 if place.y is None else place.y * POINTS_PER_MM
            top = middle - size[1] / 2
            if width > shown_width or top < -EDGE or top + size[1] > shown_height + EDGE:
                raise CannotSeal(SealFault.OUTSIDE_PAGE)
            strip = (number / len(run), (number + 1) / len(run))
            marks.append(SealMark(page, (shown_width - width, top, width, size[1]), strip))
    return tuple(marks)


def runs_of_pages(pages: int) -> list[range]:
    """Return runs of pages that have about the same length."""
    count = -(-pages // MAX_PAGES_ACROSS)
    bounds = [number * pages // count for number in range(count + 1)]
    return [range(first, behind) for first, behind in pairwise(bounds)]
