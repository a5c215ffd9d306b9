"""The content of a page, in no particular format: runs of glyphs, paths and images, placed in millimetres.

Points are measured from the page's upper left corner, y downwards. Anything outside `clip` is not shown. A matrix
(a, b, c, d, e, f) maps (x, y) to (a·x + c·y + e, b·x + d·y + f), as in PDF.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Matrix = tuple[float, float, float, float, float, float]
Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
# A step of a path: its letter in OFD (S start, M move, L line, B Bézier curve, C close) and its points.
Step = tuple[str, tuple[Point, ...]]


@dataclass(frozen=True)
class Glyph:
    """A glyph, the text that it represents, and where it begins on the line of its run, in units of the run."""

    number: int
    text: str
    x: float


@dataclass(frozen=True)
class GlyphRun:
    """Glyphs of one font on one line. `matrix` maps the run's units to the page; `size` is in these units."""

    font: str
    size: float
    matrix: Matrix
    glyphs: tuple[Glyph, ...]
    colour: Colour
    clip: Box | None = None


@dataclass(frozen=True)
class Line:
    """How a path is stroked: width in mm, and the rest as in PDF."""

    width: float
    cap: int
    join: int
    miter: float
    dash: tuple[float, ...]
    offset: float


@dataclass(frozen=True)
class DrawnPath:
    """A path. A colour of None: the path is not filled, or not stroked. `alpha`: from 0 to 255."""

    steps: tuple[Step, ...]
    fill: Colour | None
    stroke: Colour | None
    line: Line
    even_odd: bool = False
    alpha: int = 255
    clip: Box | None = None


@dataclass(frozen=True)
class DrawnImage:
    """An image by its name; `matrix` maps the unit square, whose origin is the image's lower left corner."""

    name: str
    matrix: Matrix
    clip: Box | None = None


Drawn = GlyphRun | DrawnPath | DrawnImage


def combine(first: Matrix, second: Matrix) -> Matrix:
    """Return the matrix that applies `first`, then `second`."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = second
    return a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u


def place(matrix: Matrix, point: Point) -> Point:
    a, b, c, d, e, f = matrix
    x, y = point
    return a * x + c * y + e, b * x + d * y + f


def box_of(points: Iterable[Point]) -> Box:
    """Return the smallest box around the points. There must be at least one."""
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def common_box(one: Box, other: Box | None) -> Box:
    """Return the intersection of two boxes; if they do not overlap, an empty box at a corner."""
    if other is None:
        return one
    left, top = max(one[0], other[0]), max(one[1], other[1])
    return left, top, max(left, min(one[2], other[2])), max(top, min(one[3], other[3]))


def scale_of(matrix: Matrix) -> float:
    """Return the factor by which lengths grow, averaged over all directions."""
    a, b, c, d, _, _ = matrix
    return float(abs(a * d - b * c) ** 0.5)
