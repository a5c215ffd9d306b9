"""The body of a question or an answer that is about several files: their parts, one behind the other."""

from __future__ import annotations

from collections.abc import Iterable


def split_body(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Return the parts of a body, which have these sizes in bytes."""
    parts, at = [], 0
    for size in sizes:
        parts.append(body[at : at + size])
        at += size
    return parts
