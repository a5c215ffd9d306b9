"""The contract's font and the characters that it can show.

If a character is missing, Typst takes another font or draws a box, without an error. Therefore every text is checked
against the font's character map before it is laid out. Control characters and invisible direction marks are refused
too, because they can make a contract read differently from what was written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from hub.errors import FontMissing, UndrawableText

FONT_FOLDER = Path("/usr/share/fonts/opentype/noto")  # where Debian's fonts-noto-cjk installs them
FONT_NAME = "Noto Serif CJK SC"
# A sister of this font, in the same files. With Chinese as its language, it looks the same, except for 15 old radicals
# and compatibility characters.
SISTER_NAME = "Noto Serif CJK TC"
_FILES = ("NotoSerifCJK-Regular.ttc", "NotoSerifCJK-Bold.ttc")
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


class ContractFont:
    """Noto Serif CJK SC, regular and bold. Raises FontMissing, which names the command that installs it."""

    def __init__(self, folder: Path = FONT_FOLDER) -> None:
        self.folder = folder
        files = [folder / name for name in _FILES]
        for file in files:
            if not file.is_file():
                raise FontMissing(f"{file} is not there. Install it with: apt-get install fonts-noto-cjk")
        self._files = files

    def undrawable(self, text: str) -> list[str]:
        """Return the characters of `text` that must not be in a contract, each once, by code point."""
        return sorted(map(chr, {ord(each) for each in set(text)} - _characters(*self._files)))

    def check(self, texts: Iterable[str], *, field: str = "") -> None:
        """Raise UndrawableText, which names the characters with their code points, if the font lacks any."""
        wrong = self.undrawable("".join(texts))
        if wrong:
            raise UndrawableText("The font cannot show: " + ", ".join(map(describe, wrong)), field=field)


def describe(character: str) -> str:
    """Return a character for an error message: the character if it is visible, its code point and its Unicode name."""
    shown = "" if unicodedata.category(character) in _UNSEEN else f"{character} "
    return f"{shown}U+{ord(character):04X} {unicodedata.name(character, 'unnamed')}"


@cache  # an installed font does not change while a process runs; processes that lay out no contract never read the map
def _characters(*files: Path) -> frozenset[int]:
    """Return the code points of the characters that all of these files can show and that can be seen."""
    shown = frozenset.intersection(*map(_mapped, files))
    return frozenset(point for point in shown if unicodedata.category(chr(point)) not in _UNSEEN)


def _mapped(file: Path) -> frozenset[int]:
    from fontTools.ttLib import TTCollection  # slow to import; a worker that only reminds does not need it

    with TTCollection(file, lazy=True) as collection:
        for font in collection.fonts:
            if font["name"].getDebugName(1) == FONT_NAME or font["name"].getDebugName(16) == FONT_NAME:
                # Only the character map is needed; to find the names of the glyphs, fontTools would read all outlines
                # (80 MB).
                font.setGlyphOrder([""] * font["maxp"].numGlyphs)
                return frozenset(font.getBestCmap() or ())
    raise FontMissing(f"{file} does not hold {FONT_NAME}. Install it with: apt-get install fonts-noto-cjk")
