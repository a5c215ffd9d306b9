"""Follow contents operator by operator, and find what programs draw in different ways although they read it alike.

Some programs draw a form in the middle of a text or a path, others do not. At the beginning of a form, a pattern or a
letter, some programs use the font, the spacing or the blend mode of the page, others do not. So a text could be visible
in one program only. Source: ISO 32000-2 8.2 (the order of operators), 8.4 (graphics state), 8.6 (colours), 8.7
(patterns), 8.10 (forms), 9.3 (text state), 9.6.4 (Type 3 fonts); how pdfium, Poppler and MuPDF draw.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from math import hypot, inf
from typing import Final

_TEXTS: Final = {"Tj", "TJ", "'", '"'}
_NOT_IN_TEXT: Final = {"BT", "q", "Q", "Do", "sh", "BI"}
_NOT_IN_PATH: Final = {"BT", "Do", "sh", "BI"} | _TEXTS
_POINTS: Final = {"m", "l", "c", "v", "y", "re", "h"}
_OPEN_STROKES: Final = {"S", "B", "B*"}
_STROKES: Final = {"s", "b", "b*"} | _OPEN_STROKES
_FILLS: Final = {"f", "F", "f*", "b", "b*", "B", "B*"}
_PAINTS: Final = {"n"} | _FILLS | _STROKES
# The width of letters in percent, their size and the length of dashes in units. Programs draw smaller ones differently.
MIN_SCALE: Final = 10
MIN_SIZE: Final = 0.001
MIN_DASHES: Final = 0.5
# How far into the dashes a line may begin (8.4.3.6). Programs skip that length dash by dash, and give up at some point.
MAX_PHASE: Final = 1000
# A line that is shorter than this part of its width is a dot. If it has no ends and is wider than MAX_DOT, it is a thin
# line in some programs.
_DOT: Final = 0.001
MAX_DOT: Final = 1
# Ends of lines (8.4.3.3). Programs draw a dot with square ends, or one that is closed, in different ways or not at all.
_BUTT, _ROUND, _SQUARE = 0, 1, 2
# Parts of the state, by the operators that set them, with the value at the beginning of a page. `BM` and `SMask` are
# set by graphics states: 1 if the state blends or masks, otherwise 0.
_USUAL: Final = {"Tz": 100, "Ts": 0, "Tc": 0, "Tw": 0, "Tr": 0, "w": 1, "J": 0, "BM": 0, "SMask": 0}
# Further parts that may be unusual: dashes that are dots; dashes that are too short; a pattern as the colour; hidden
# letters.
_DOTS, _SHORT, _PATTERN, _HIDDEN = "dots", "short", "pattern", "hidden"
_COLOURS: Final = {"fill": "cs", "stroke": "CS"}
_COUNTED: Final = {"g": 1, "rg": 3, "k": 4}
_COLOUR_SETTERS: Final = {"cs", "sc", "scn", *_COUNTED}


class Part(Enum):
    """The kind of object that has contents. A stencil is a pattern without colours (PaintType 2)."""

    PAGE = auto()
    FORM = auto()
    PATTERN = auto()
    STENCIL = auto()
    LETTER = auto()


# The parts of the state that are known before the contents set them. On a page these are all parts.
_OWN: Final = {
    Part.PAGE: frozenset({*_USUAL, "d", "TL", "cs", "CS"}),
    Part.FORM: frozenset[str](),
    Part.PATTERN: frozenset[str](),
    Part.STENCIL: frozenset({"cs", "CS"}),
    Part.LETTER: frozenset({"cs"}),
}
_DRAWN_IN_CELLS: Final = (Part.PATTERN, Part.STENCIL, Part.LETTER)


@dataclass(frozen=True)
class ColourSpace:
    """How a colour is stated: by how many numbers, and whether also by the name of a pattern. `highest`: if set, the
    colour is a whole number from 0 to this one."""

    count: int
    is_pattern: bool = False
    highest: int | None = None

    def has(self, numbers: Sequence[float], name: str) -> bool:
        if len(numbers) != self.count or bool(name) != self.is_pattern:
            return False
        return self.highest is None or numbers[0] in range(self.highest + 1)


_GRAY: Final = ColourSpace(1)
PATTERN: Final = ColourSpace(0, is_pattern=True)
_DEVICE: Final = {
    "/DeviceGray": _GRAY,
    "/DeviceRGB": ColourSpace(3),
    "/DeviceCMYK": ColourSpace(4),
    "/Pattern": PATTERN,
}
# A colour space for which this module does not know how many numbers a colour has.
UNKNOWN: Final = ColourSpace(-1)


@dataclass(frozen=True)
class NamedResources:
    """The objects that names in the resources stand for. `spaces`: None if programs understand the colour space in
    different ways. `states`: the operators that have the same effect as the graphics state. `stencils`: patterns
    without colours. `masks`: pictures that are painted in the current colour. `letters`: fonts whose letters are
    contents in the file (Type 3)."""

    spaces: Mapping[str, ColourSpace | None] = field(default_factory=dict)
    states: Mapping[str, Sequence[tuple[str, Sequence[float]]]] = field(default_factory=dict)
    stencils: Collection[str] = ()
    masks: Collection[str] = ()
    letters: Collection[str] = ()


@dataclass(frozen=True)
class Use:
    """A form, font or pattern that contents draw, and the state at that moment. `unusual`: the parts of the state that
    differ from those at the beginning of a page; `own`: the parts that these contents have set themselves."""

    kind: str
    name: str
    unusual: frozenset[str]
    own: frozenset[str]


@dataclass
class _State:
    """The state that `q` saves. `fill`, `stroke`: the current colour spaces (None if not known) and the current
    patterns. `ends`: how lines end. `dashes`: the length of all dashes and gaps together."""

    own: frozenset[str]
    unusual: frozenset[str] = frozenset()
    font: str = ""
    fill: ColourSpace | None = None
    stroke: ColourSpace | None = None
    fill_pattern: str = ""
    stroke_pattern: str = ""
    ends: int = _SQUARE
    width: float = 1
    dashes: float = inf
    matrix: tuple[float, float, float, float] = (1, 0, 0, 1)

    def set(self, part: str, is_usual: bool) -> None:
        if part not in self.own:
            self.own |= {part}
        self.mark(part, is_usual)

    def mark(self, part: str, is_usual: bool) -> None:
        if is_usual == (part in self.unusual):
            self.unusual ^= {part}


class ContentSteps:
    """The steps of one page, form, pattern or letter. `uses`: what it draws. `needs`: the parts of the state that it
    uses or ends without having set them; the contents that draw it must have left these parts at their usual values."""

    def __init__(self, resources: NamedResources, part: Part) -> None:
        self.uses, self.needs = set[Use](), set[str]()
        self._resources, self._part = resources, part
        self._now, self._saved = _State(_OWN[part]), list[_State]()
        if part is Part.PAGE:
            self._now.fill = self._now.stroke = _GRAY
            self._now.ends = _BUTT
        self._has_begun, self._in_text = False, False
        self._path: list[_Subpath] = []

    def take(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        """Take one operator with its operands. Return False if programs draw it in different ways. The number of an
        inline picture (`BI`) says whether it is painted in the current colour."""
        if (self._in_text and operator in _NOT_IN_TEXT) or (self._path and operator in _NOT_IN_PATH):
            return False
        if not self._has_begun:
            self._has_begun = True
            if self._part is Part.LETTER:
                return self._begin_letter(operator)
        if operator in _POINTS:
            self._extend(operator, numbers)
        elif operator in _PAINTS:
            return self._paint(operator)
        elif operator in _TEXTS:
            return self._show(operator, numbers)
        elif operator in ("BT", "ET"):
            self._in_text = operator == "BT"
        elif operator in ("q", "Q"):
            self._save(operator)
        elif operator in ("Do", "BI"):
            return self._draw(operator, numbers, name)
        else:
            return self._set(operator, numbers, name)
        return True

    def _begin_letter(self, operator: str) -> bool:
        self.needs.add(_HIDDEN)
        if operator == "d1":  # the letter is a stencil
            self._now.own |= {"CS"}
        return operator in ("d0", "d1")

    def _save(self, operator: str) -> None:
        if operator == "q":
            self._saved.append(_State(**vars(self._now)))  # `copy` takes ten times as long
        else:
            self._now = self._saved.pop()

    def _draw(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        """Draw a form or picture. A mask is painted in the current colour."""
        if operator == "Do":
            self._use("/XObject", name)
        return not (name in self._resources.masks or any(numbers)) or self._use_colour("fill")

    def _set(self, operator: str, numbers: Sequence[float], name: str = "") -> bool:
        """Set a part of the state. Return False if programs understand it in different ways."""
        if operator in _USUAL:
            self._now.set(operator, numbers[-1] == _USUAL[operator])
        if operator in ("J", "j", "w", "d"):
            return self._set_line(operator, numbers)
        if operator.lower() in _COLOUR_SETTERS:
            return self._set_colour(operator, numbers, name)
        match operator:
            case "cm":
                self._now.matrix = _multiply(numbers, self._now.matrix)
            case "gs":
                return all(self._set(*each) for each in self._resources.states.get(name, ()))
            case "BM" | "SMask":
                self.needs |= {"BM", "SMask"}  # programs differ in how they end a mode or mask that began outside
                return self._part is not Part.LETTER or numbers[-1] == 0
            case "d0" | "d1":
                return False
            case _:
                return self._set_text(operator, numbers, name)
        return True

    def _set_line(self, operator: str, numbers: Sequence[float]) -> bool:
        now = self._now
        if operator == "w":
            now.width = numbers[-1]
        elif operator == "d":
            now.set("d", is_usual=len(numbers) == 1)
            now.set(_DOTS, 0 not in numbers[:-1])
            now.dashes = sum(numbers[:-1]) or inf
            return are_usual_dashes(numbers[:-1], numbers[-1])
        else:
            now.ends = int(numbers[-1]) if operator == "J" else now.ends
            return numbers[-1] in (_BUTT, _ROUND, _SQUARE)
        return True

    def _set_text(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        now = self._now
        match operator:
            case "Tf":
                now.font = name
                return numbers[-1] == 0 or abs(numbers[-1]) >= MIN_SIZE
            case "TL" | "TD":
                now.set("TL", is_usual=True)
            case "T*":
                return "TL" in now.own
            case "Tz":
                return abs(numbers[-1]) >= MIN_SCALE
            case "Tr":
                now.set(_HIDDEN, numbers[-1] in (0, 1, 2))
        return True

    def _set_colour(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        which, kind = "fill" if operator.islower() else "stroke", operator.lower()
        space: ColourSpace | None = getattr(self._now, which)
        if kind in ("sc", "scn"):
            pattern, is_black = name, _is_black(numbers)
            is_stencil = name in self._resources.stencils and space is not None and space.count == 0
            fits = space is UNKNOWN or (space is not None and space.has(numbers, name) and not is_stencil)
        else:
            pattern, is_black = "", kind == "cs" or _is_black(numbers)
            space = ColourSpace(_COUNTED[kind]) if kind in _COUNTED else _DEVICE.get(name, UNKNOWN)
            space = self._resources.spaces.get(name, space) if kind == "cs" else space
            fits = space is not None
        setattr(self._now, which, space)
        setattr(self._now, f"{which}_pattern", pattern)
        self._now.set(_COLOURS[which], is_black or bool(pattern))
        self._now.mark(_PATTERN, not (self._now.fill_pattern or self._now.stroke_pattern))
        return fits

    def _need(self, *parts: str) -> None:
        self.needs.update(part for part in parts if part not in self._now.own)

    def _use(self, kind: str, name: str) -> None:
        self._now.mark(_SHORT, not self._has_short_dashes)
        self.uses.add(Use(kind, name, self._now.unusual, self._now.own))

    @property
    def _has_short_dashes(self) -> bool:
        dashes = self._now.dashes
        return dashes < inf and dashes * _scale(self._now.matrix) < MIN_DASHES

    def _use_colour(self, which: str) -> bool:
        """Paint in the current colour. Return False if the colour has to be a pattern, and none was set."""
        space: ColourSpace | None = getattr(self._now, which)
        pattern: str = getattr(self._now, f"{which}_pattern")
        if _COLOURS[which] not in self._now.own:
            self.needs.add(_COLOURS[which] if self._part in _DRAWN_IN_CELLS else _PATTERN)
        if pattern:
            self._use("/Pattern", pattern)
        return bool(pattern) or space is None or not space.is_pattern

    def _show(self, operator: str, numbers: Sequence[float]) -> bool:
        """Show a text. Return False if programs show it in different ways."""
        now = self._now
        if not self._in_text or not now.font or (operator[0] != "T" and "TL" not in now.own):
            return False
        if operator == '"':
            now.set("Tw", numbers[0] == 0)
            now.set("Tc", numbers[1] == 0)
        if now.font in self._resources.letters:
            self._use("/Font", now.font)
        self._need("Tz", "Ts", *(("Tc", "Tw", "Tr") if self._part in _DRAWN_IN_CELLS else ()))
        return self._use_colour("fill") and ("Tr" not in now.unusual or self._strokes_alike("S", []))

    def _extend(self, operator: str, numbers: Sequence[float]) -> None:
        if operator in ("m", "re") or not self._path:
            self._path.append(_Subpath())
        if operator == "re":
            x, y, width, height = numbers
            numbers = (x, y, x + width, y + height)
        self._path[-1].add(operator, numbers)

    def _paint(self, operator: str) -> bool:
        path, self._path = self._path, []
        if operator in _FILLS and not self._use_colour("fill"):
            return False
        return operator not in _STROKES or self._strokes_alike(operator, path)

    def _strokes_alike(self, operator: str, path: list[_Subpath]) -> bool:
        now = self._now
        if "d" not in now.own:
            self.needs.add(_SHORT)
        if self._part in _DRAWN_IN_CELLS:
            self._need("w", "J", "d")
        if not self._use_colour("stroke") or self._has_short_dashes:
            return False
        dots = [each for each in path if each.extent() <= _DOT * max(1.0, now.width)]
        if now.ends == _BUTT:
            lines = any(each.is_line for each in dots)
            self._need(*(("w",) if lines else ()))
            return not lines or now.width * _scale(now.matrix) <= MAX_DOT
        if now.ends == _SQUARE:
            self._need(_DOTS)
        are_round = now.ends == _ROUND and operator in _OPEN_STROKES and all(each.is_line for each in dots)
        return (are_round or not dots) and not (_DOTS in now.unusual and now.ends == _SQUARE)


class _Subpath:
    """A part of a path. `is_line`: it was drawn by straight lines and is open."""

    def __init__(self) -> None:
        self.is_line = True
        self._points = 0
        self._left = self._low = inf
        self._right = self._high = -inf

    def add(self, operator: str, numbers: Sequence[float]) -> None:
        self.is_line = self.is_line and operator in "ml"
        for x in numbers[::2]:
            self._left, self._right = (x if x < self._left else self._left), (x if x > self._right else self._right)
        for y in numbers[1::2]:
            self._low, self._high = (y if y < self._low else self._low), (y if y > self._high else self._high)
        self._points += len(numbers) // 2

    def extent(self) -> float:
        """Return the greater of width and height; infinity for a single point, of which nothing is drawn."""
        if not self._points or (self._points == 1 and self.is_line):
            return inf
        return max(self._right - self._left, self._high - self._low)


def are_usual_dashes(lengths: Sequence[float], phase: float) -> bool:
    """Return whether all programs read these dashes and gaps alike."""
    return not lengths or (min(lengths) >= 0 and sum(lengths) > 0 and 0 <= phase <= MAX_PHASE)


def _is_black(numbers: Sequence[float]) -> bool:
    return list(numbers) == [0, 0, 0, 1] if len(numbers) == len("CMYK") else not any(numbers)


def _multiply(numbers: Sequence[float], matrix: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    a, b, c, d = numbers[:4]
    e, f, g, h = matrix
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _scale(matrix: tuple[float, float, float, float]) -> float:
    """Return how long a unit becomes in the direction in which this matrix shrinks it most."""
    a, b, c, d = matrix
    longest = max(hypot(a, b), hypot(c, d))
    return abs(a * d - b * c) / longest if longest else 0
