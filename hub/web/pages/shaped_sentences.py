"""Translate English sentences that were assembled elsewhere and contain names and values. Pure.

Such a sentence is recognised by its shape, for which the Chinese text can be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hub.web.pages.i18n import Translate

_BLANK = re.compile(r"\{(\w+)\}")
# A placeholder of this name stands for another sentence.
INNER = "words"


class ShapedSentences:
    """Sentences by their shapes, like `there is no campus {name}`. If several shapes match, the first is used."""

    def __init__(self, shapes: Sequence[str]) -> None:
        self._patterns = [(shape, _pattern(shape)) for shape in shapes]

    def say(self, words: str, translate: Translate) -> str:
        """Return the sentence in the reader's language. If its shape is unknown, the whole sentence is looked up."""
        for shape, pattern in self._patterns:
            if found := pattern.fullmatch(words):
                blanks = found.groupdict()
                if INNER in blanks:
                    blanks[INNER] = self.say(blanks[INNER], translate)
                return translate(shape, **blanks)
        return translate(words)


def _pattern(shape: str) -> re.Pattern[str]:
    parts = _BLANK.split(shape)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)), re.DOTALL
    )
