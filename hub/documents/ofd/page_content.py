"""Write the content of a page as OFD: `Content.xml` with its text, path and image objects (GB/T 33190, 8 to 11).

The boundary of an object cuts off what is outside, so it is at least as large as the drawn object, and as small as its
clip requires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final
from xml.sax.saxutils import escape

from hub.documents.ofd.dashes import cut_dashes
from hub.documents.ofd.drawn import (
    Box,
    Colour,
    Drawn,
    DrawnImage,
    DrawnPath,
    Glyph,
    GlyphRun,
    Line,
    box_of,
    common_box,
    place,
    scale_of,
)
from hub.errors import BadInput
from qianda.ofd.xml_part import NAMESPACE

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
# How far glyphs reach above and below the line and beyond its ends, as multiples of the font size. No glyph of a
# contract's fonts reaches further, and a larger boundary has no cost.
_ABOVE, _BELOW, _BESIDE = 1.2, 0.5, 0.5
# How far the letters of a line reach up and down at most; shows whether a clip hides the whole line.
_TALL, _DEEP = 0.9, 0.2
_EVEN = 1e-6  # two scales whose relative difference is smaller count as the same
_CAPS = ("Butt", "Round", "Square")
_JOINS = ("Miter", "Round", "Bevel")
_OPAQUE = 255
_BASIC_PLANE = 0xFFFF


@dataclass(frozen=True)
class PageResources:
    """The numbers of fonts and images, the character map of each font, and the source of new numbers."""

    fonts: Mapping[str, int]
    characters: Mapping[str, Mapping[int, int]]
    images: Mapping[str, int]
    next_number: Callable[[], int]


def page_xml(width: float, height: float, drawn: list[Drawn], resources: PageResources) -> bytes:
    """Return the `Content.xml` of a page. Its size is given in millimetres."""
    layer = resources.next_number()
    objects = "".join(part for item in drawn for part in _objects(item, resources))
    text = (
        f'{_HEAD}<ofd:Page xmlns:ofd="{NAMESPACE}"><ofd:Area><ofd:PhysicalBox>0 0 {_number(width)} {_number(height)}'
        f'</ofd:PhysicalBox></ofd:Area><ofd:Content><ofd:Layer ID="{layer}" Type="Body">{objects}</ofd:Layer>'
        "</ofd:Content></ofd:Page>"
    )
    return text.encode()


def _objects(item: Drawn, resources: PageResources) -> Iterator[str]:
    if isinstance(item, DrawnPath):
        # Some readers stroke first and then fill, which covers half of the line. All readers draw two objects in order.
        halves = [replace(item, stroke=None), replace(item, fill=None)] if item.fill and item.stroke else [item]
        yield from (_path(half, resources.next_number()) for half in halves)
    elif isinstance(item, DrawnImage):
        yield _image(item, resources)
    else:
        for glyphs in _words(item.glyphs):
            yield _text(item, glyphs, resources)


# ---- text


def _words(glyphs: tuple[Glyph, ...]) -> Iterator[tuple[Glyph, ...]]:
    """Yield the glyphs in groups within which each glyph represents one character.

    A glyph gets its own text object if it represents several characters (a ligature), none, or one outside the basic
    plane, which some readers count as two.
    """
    group: list[Glyph] = []
    for glyph in glyphs:
        if len(glyph.text) == 1 and ord(glyph.text) <= _BASIC_PLANE:
            group.append(glyph)
            continue
        if group:
            yield tuple(group)
            group = []
        yield (glyph,)
    if group:
        yield tuple(group)


def _text(run: GlyphRun, glyphs: tuple[Glyph, ...], resources: PageResources) -> str:
    """Return a text object. Upright text is placed by its boundary and size alone; other text needs a matrix."""
    a, b, c, d, _, _ = run.matrix
    if b or c or a <= 0 or abs(a + d) > _EVEN * a:
        return _turned_text(run, glyphs, resources)
    size, (x, y) = run.size * a, place(run.matrix, (glyphs[0].x, 0))
    end = place(run.matrix, (glyphs[-1].x, 0))[0]
    room = (x - _BESIDE * size, y - _ABOVE * size, end + (1 + _BESIDE) * size, y + _BELOW * size)
    if run.clip and _is_outside((x, y - _TALL * size, end + size, y + _DEEP * size), run.clip):
        return ""
    box = common_box(room, run.clip)
    code = _code(glyphs, (x - box[0], y - box[1]), a)
    head = f'Boundary="{_boundary(box)}" Font="{resources.fonts[run.font]}" Size="{_number(size)}"'
    return _text_object(run, glyphs, resources, head, code + _clips(room, box))


def _turned_text(run: GlyphRun, glyphs: tuple[Glyph, ...], resources: PageResources) -> str:
    scale = scale_of(run.matrix)
    a, b, c, d, _, _ = (value / scale for value in run.matrix)
    size, length = run.size * scale, (glyphs[-1].x - glyphs[0].x) * scale
    x, y = place(run.matrix, (glyphs[0].x, 0))
    reach = length + 2 * size
    box = (x - reach, y - reach, x + reach, y + reach)
    _refuse_cut(box, run.clip)
    # In OFD, the y axis of text points downwards, in PDF upwards.
    matrix = " ".join(map(_number, (a, b, -c, -d, x - box[0], y - box[1])))
    head = f'Boundary="{_boundary(box)}" CTM="{matrix}" Font="{resources.fonts[run.font]}" Size="{_number(size)}"'
    return _text_object(run, glyphs, resources, head, _code(glyphs, (0, 0), scale))


def _text_object(run: GlyphRun, glyphs: tuple[Glyph, ...], resources: PageResources, head: str, code: str) -> str:
    text = "".join(glyph.text for glyph in glyphs)
    known = resources.characters[run.font]
    plain = len(text) == len(glyphs) and all(_is_known(known, glyph) for glyph in glyphs)
    numbers = " ".join(str(glyph.number) for glyph in glyphs)
    chosen = (
        f'<ofd:CGTransform CodePosition="0" CodeCount="{len(text)}" GlyphCount="{len(glyphs)}">'
        f"<ofd:Glyphs>{numbers}</ofd:Glyphs></ofd:CGTransform>"
    )
    return (
        f'<ofd:TextObject ID="{resources.next_number()}" {head}>{_fill(run.colour)}{"" if plain else chosen}'
        f"{code}</ofd:TextObject>"
    )


def _is_known(characters: Mapping[int, int], glyph: Glyph) -> bool:
    """Return whether every reader finds this glyph by the font's character map."""
    code = ord(glyph.text)
    return code <= _BASIC_PLANE and characters.get(code) == glyph.number


def _code(glyphs: tuple[Glyph, ...], at: tuple[float, float], scale: float) -> str:
    """Return the characters with the distance of each from the one before, in millimetres."""
    steps = " ".join(_number((after.x - before.x) * scale) for before, after in pairwise(glyphs))
    delta = f' DeltaX="{steps}"' if steps else ""
    text = escape("".join(glyph.text for glyph in glyphs) or " ")
    return f'<ofd:TextCode X="{_number(at[0])}" Y="{_number(at[1])}"{delta}>{text}</ofd:TextCode>'


# ---- paths and images


def _path(item: DrawnPath, number: int) -> str:
    if item.stroke and item.line.dash:
        dashes = cut_dashes(item.steps, item.line.dash, item.line.offset)
        item = replace(item, steps=dashes, line=replace(item.line, dash=())) if dashes else item
    points = [point for _, step in item.steps for point in step]
    edge = item.line.width * max(1.0, item.line.miter / 2) if item.stroke else 0.0
    left, top, right, bottom = box_of(points)
    # A straight line has no height. Without an edge around it, the boundary would cut it off completely.
    edge = max(edge, 0.1)
    room = (left - edge, top - edge, right + edge, bottom + edge)
    if item.clip and _is_outside(room, item.clip):
        return ""
    box = common_box(room, item.clip)
    data = " ".join(_step(letter, step, box) for letter, step in item.steps)
    how = f'Fill="{_truth(item.fill)}" Stroke="{_truth(item.stroke)}"'
    rule = ' Rule="Even-Odd"' if item.even_odd else ""
    alpha = f' Alpha="{item.alpha}"' if item.alpha != _OPAQUE else ""
    colours = (_stroke(item.stroke) if item.stroke else "") + (_fill(item.fill) if item.fill else "")
    line = _line(item.line) if item.stroke else ""
    return (
        f'<ofd:PathObject ID="{number}" Boundary="{_boundary(box)}" {how}{rule}{alpha}{line}>{colours}'
        f"{_clips(room, box)}<ofd:AbbreviatedData>{data}</ofd:AbbreviatedData></ofd:PathObject>"
    )


def _step(letter: str, points: tuple[tuple[float, float], ...], box: Box) -> str:
    numbers = (_number(value) for x, y in points for value in (x - box[0], y - box[1]))
    return " ".join([letter, *numbers])


def _line(line: Line) -> str:
    dash = (
        f' DashPattern="{" ".join(map(_number, line.dash))}" DashOffset="{_number(line.offset)}"' if line.dash else ""
    )
    shape = f'Cap="{_CAPS[line.cap]}" Join="{_JOINS[line.join]}" MiterLimit="{_number(line.miter)}"'
    return f' LineWidth="{_number(line.width)}" {shape}{dash}'


def _image(item: DrawnImage, resources: PageResources) -> str:
    corners = [place(item.matrix, corner) for corner in ((0, 0), (1, 0), (0, 1), (1, 1))]
    box = box_of(corners)
    _refuse_cut(box, item.clip)
    a, b, c, d, e, f = item.matrix
    # The origin of an image is at the lower left in PDF, at the upper left in OFD.
    matrix = (a, b, -c, -d, e + c - box[0], f + d - box[1])
    return (
        f'<ofd:ImageObject ID="{resources.next_number()}" Boundary="{_boundary(box)}" '
        f'CTM="{" ".join(map(_number, matrix))}" ResourceID="{resources.images[item.name]}"/>'
    )


# ---- clips


def _is_outside(box: Box, clip: Box) -> bool:
    return box[2] <= clip[0] or box[0] >= clip[2] or box[3] <= clip[1] or box[1] >= clip[3]


def _clips(room: Box, box: Box) -> str:
    """Return the clip of an object that is cut off. By the standard, the boundary alone cuts it off, but some readers
    ignore that."""
    if room == box:
        return ""
    width, height = _number(box[2] - box[0]), _number(box[3] - box[1])
    return (
        f'<ofd:Clips><ofd:Clip><ofd:Area><ofd:Path Boundary="0 0 {width} {height}" Fill="true" Stroke="false">'
        f"<ofd:AbbreviatedData>M 0 0 L {width} 0 L {width} {height} L 0 {height} C</ofd:AbbreviatedData></ofd:Path>"
        "</ofd:Area></ofd:Clip></ofd:Clips>"
    )


def _refuse_cut(box: Box, clip: Box | None) -> None:
    """Raise BadInput if an object with its own matrix is clipped, because readers disagree about where to cut."""
    if clip is not None and common_box(box, clip) != box:
        raise BadInput("The PDF draws in a way that cannot be carried over to OFD: a clip", field="document")


def _fill(colour: Colour) -> str:
    return f'<ofd:FillColor Value="{" ".join(map(str, colour))}"/>'


def _stroke(colour: Colour) -> str:
    return f'<ofd:StrokeColor Value="{" ".join(map(str, colour))}"/>'


def _truth(colour: Colour | None) -> str:
    return "false" if colour is None else "true"


def _boundary(box: Box) -> str:
    left, top, right, bottom = box
    return " ".join(map(_number, (left, top, right - left, bottom - top)))


def _number(value: float) -> str:
    """Return a number with four decimals; in mm, the last one is a tenth of a micrometre."""
    return f"{round(value, 4) + 0.0:.4f}".rstrip("0").rstrip(".")
