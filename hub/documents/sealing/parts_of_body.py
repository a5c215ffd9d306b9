"""Split the body of a question or an answer about several files into its parts, which follow each other."""

from __future__ import annotations

from collections.abc import Iterable


def split_body(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Return the parts of a body. `sizes`: their lengths in bytes."""
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    return parts
