"""Cut dashed lines into separate lines, because several OFD readers draw a dash pattern as one solid line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import dist

from hub.documents.ofd.drawn import Point, Step

MAX_DASHES = 10_000


def cut_dashes(steps: Sequence[Step], pattern: Sequence[float], offset: float) -> tuple[Step, ...] | None:
    """Return the dashes of a path of straight lines (ISO 32000-1, 8.4.3.6); None for a path with curves, or if the
    pattern makes too many dashes."""
    lengths = list(pattern) * (2 if len(pattern) % 2 else 1)
    lines = list(_lines(steps))
    whole = sum(dist(*line) for line in lines)
    if any(letter == "B" for letter, _ in steps) or sum(lengths) <= 0:
        return None
    if whole / sum(lengths) * len(lengths) > MAX_DASHES:
        return None
    dashes: list[Step] = []
    for start, end in lines:
        for first, last in _dashes(dist(start, end), lengths, offset):
            dashes += [("M", (_between(start, end, first),)), ("L", (_between(start, end, last),))]
    return tuple(dashes)


def _lines(steps: Sequence[Step]) -> Iterator[tuple[Point, Point]]:
    """Yield the lines of a path, including those that close it."""
    run: list[Point] = []
    for letter, points in steps:
        if letter == "C" and run:
            run.append(run[0])
        if letter == "M":
            yield from pairwise(run)
            run = []
        run += points
    yield from pairwise(run)


def _dashes(length: float, lengths: Sequence[float], offset: float) -> Iterator[tuple[float, float]]:
    """Yield where each dash of a line begins and ends, as fractions of the line's length."""
    at = -(offset % sum(lengths))
    while length and at < length:
        for index, size in enumerate(lengths):
            if index % 2 == 0 and at + size > 0 and at < length:
                yield max(0.0, at) / length, min(length, at + size) / length
            at += size


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
