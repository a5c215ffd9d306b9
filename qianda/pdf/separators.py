"""Measure in advance how much there is to read in a PDF: two values always have white space or a delimiter between them
(ISO 32000-2 7.2.3), and in a text, each part that is not taken as it is has a backslash or a bracket."""

from __future__ import annotations

from typing import Final

_OTHER_BYTES: Final = bytes(set(range(256)) - set(b"\0\t\n\f\r ()<>[]{}/%\\"))


def count_separators(data: bytes) -> int:
    """Return how many bytes are white space, delimiters or backslashes."""
    return len(data.translate(None, _OTHER_BYTES))
