"""Sentences that were put together elsewhere in English, told in the language of whoever reads them. Pure.

Names and values stand inside such a sentence. It is known by its shape, so that its Chinese can be looked up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hub.web.i18n import Translate

_BLANK = re.compile(r"\{(\w+)\}")
# A blank of this name holds a sentence itself.
INNER = "words"


class ShapedSentences:
    """Sentences by their shapes, like `there is no campus {name}`; of several that fit, the first counts."""

    def __init__(self, shapes: Sequence[str]) -> None:
        self._patterns = [(shape, _pattern(shape)) for shape in shapes]

    def say(self, words: str, translate: Translate) -> str:
        """Return the sentence in the reader's language; one of unknown shape is looked up as it is."""
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
