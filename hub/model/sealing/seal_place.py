"""Read where a seal is placed in a file of another system: one line of text, the same in API and command. Pure.

`page:3,105,200`: the seal's middle in mm from the left and upper edges of page 3 as displayed; also `page:last,105,200`
`keyword:盖章处`: its middle over these words, which must occur once; also `keyword#2:盖章处`, `keyword#all:盖章处`
`field:Seal1`: in an empty signature field of the file
`across`: across the right edges of all pages (骑缝章); `across:150`: its middle 150 mm below the upper edge
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hub.errors import BadInput

LAST: Final = "last"
ALL: Final = 0  # all occurrences of a keyword
MAX_PAGE: Final = 100_000
MAX_MM: Final = 5_000.0
MAX_WORDS_LENGTH: Final = 100
MAX_FINDING: Final = 500
_PAGE: Final = re.compile(r"page:(last|[1-9][0-9]{0,5}),([0-9]{1,4}(?:\.[0-9]{1,3})?),([0-9]{1,4}(?:\.[0-9]{1,3})?)")
_KEYWORD: Final = re.compile(r"keyword(?:#(all|[1-9][0-9]{0,2}))?:(.+)", re.DOTALL)
_ACROSS: Final = re.compile(r"across(?::([0-9]{1,4}(?:\.[0-9]{1,3})?))?")


@dataclass(frozen=True)
class OnPage:
    """A place on a page. `page`: its number from 1; None for the last page. `x`, `y`: the middle of the seal in mm."""

    page: int | None
    x: float
    y: float


@dataclass(frozen=True)
class OverKeyword:
    """A place over words. `finding`: which occurrence, from 1; ALL for every one; None if the words must occur once."""

    words: str
    finding: int | None = None


@dataclass(frozen=True)
class InField:
    name: str


@dataclass(frozen=True)
class AcrossPages:
    """A place across the edges of all pages. `y`: the middle of the seal in mm below the upper edge; None for the
    middle of the page."""

    y: float | None = None


SealPlace = OnPage | OverKeyword | InField | AcrossPages


def parse_seal_place(text: str) -> SealPlace:
    """Read a place. Raises BadInput."""
    if (found := _PAGE.fullmatch(text)) and (found[1] == LAST or int(found[1]) <= MAX_PAGE):
        return OnPage(None if found[1] == LAST else int(found[1]), _mm(found[2]), _mm(found[3]))
    if found := _KEYWORD.fullmatch(text):
        words = found[2].strip()
        if 0 < len(words) <= MAX_WORDS_LENGTH and words.isprintable():
            return OverKeyword(words, None if found[1] is None else ALL if found[1] == "all" else _finding(found[1]))
    if text.startswith("field:") and 0 < len(text.removeprefix("field:")) <= MAX_WORDS_LENGTH:
        return InField(text.removeprefix("field:"))
    if found := _ACROSS.fullmatch(text):
        return AcrossPages(None if found[1] is None else _mm(found[1]))
    raise BadInput(
        "a place is page:NUMBER,X,Y (in mm), keyword:WORDS, keyword#2:WORDS, keyword#all:WORDS, field:NAME or across",
        field="place",
    )


def _mm(text: str) -> float:
    value = float(text)
    if value > MAX_MM:
        raise BadInput(f"a page has no more than {MAX_MM:.0f} mm", field="place")
    return value


def _finding(text: str) -> int:
    if int(text) > MAX_FINDING:
        raise BadInput(f"up to {MAX_FINDING} occurrences are counted", field="place")
    return int(text)
