"""Read where a signature of an OFD is shown on the pages: its stamps (GB/T 33190, 18.2.3); limit their size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from qianda.ofd import NotAnOfd
from qianda.ofd.xml_part import children

# A stamp covers what is below it, so it must be too small to hide much: in mm and square mm, as in a PDF
# (`qianda.verify.pdf.signature_objects`). A company seal is 38 to 58 mm wide.
MAX_STAMP_SIDE: Final = 106.0
MAX_STAMP_AREA: Final = 3_400.0
MAX_STAMPS_ON_PAGE: Final = 3


@dataclass(frozen=True)
class ShownStamp:
    """A stamp on a page: the page's ID, and the size of its boundary in mm. Of a stamp across pages, it is the size of
    the whole picture, since not all programs cut it off."""

    page: str
    width: float
    height: float


def read_stamps(info: Element, member: str) -> tuple[ShownStamp, ...]:
    """Return the stamps in the SignedInfo of a signature. Raises NotAnOfd, which names the member."""
    return tuple(_stamp(each, member) for each in children(info, "StampAnnot"))


def are_small(stamps: Sequence[ShownStamp]) -> bool:
    """Return whether these stamps of one signature can hide little."""
    on_page = Counter(stamp.page for stamp in stamps)
    return max(on_page.values(), default=0) <= MAX_STAMPS_ON_PAGE and all(
        max(stamp.width, stamp.height) <= MAX_STAMP_SIDE and stamp.width * stamp.height <= MAX_STAMP_AREA
        for stamp in stamps
    )


def _stamp(annotation: Element, member: str) -> ShownStamp:
    try:
        numbers = [float(part) for part in annotation.get("Boundary", "").split()]
        _, _, width, height = numbers
    except ValueError as error:
        raise NotAnOfd(f"{member}：印章没有位置", f"{member}: a stamp without a place") from error
    if not all(math.isfinite(number) for number in numbers) or min(width, height) < 0:
        raise NotAnOfd(f"{member}：印章没有位置", f"{member}: a stamp without a place")
    page = annotation.get("PageRef", "").strip().lstrip("+0")  # an ID is a number, and 01 is page 1
    return ShownStamp(page, width, height)
