"""Follow readable contents operator by operator, and find what programs draw in different ways although they read it.

Some programs draw a form in the middle of a text or a path, others do not; a form begins with the font, the spacing or
the blend mode of the page in some programs only. So a text could be visible in one program and not in another. Source:
ISO 32000-2 8.2 (the order of operators), 8.4 (graphics state), 8.6 (colours), 8.10 (forms), 9.3 (text state); how
pdfium, Poppler and MuPDF draw.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

# How many numbers a colour has. A pattern has a name instead, and of some spaces the number is not known here.
PATTERN, UNKNOWN = 0, -1
_DEVICE: Final = {"/DeviceGray": 1, "/DeviceRGB": 3, "/DeviceCMYK": 4, "/Pattern": PATTERN}
_COUNTED: Final = {"g": 1, "rg": 3, "k": 4}
_COLOURS: Final = {"cs", "sc", "scn", *_COUNTED}
_TEXTS: Final = {"Tj", "TJ", "'", '"'}
_NOT_IN_TEXT: Final = {"BT", "q", "Q", "Do", "sh", "BI"}
_NOT_IN_PATH: Final = {"BT", "Do", "sh", "BI"} | _TEXTS
_POINTS: Final = {"m", "l", "c", "v", "y"}
_OPEN_STROKES: Final = {"S", "B", "B*"}
_STROKES: Final = {"s", "b", "b*"} | _OPEN_STROKES
_PAINTS: Final = {"n", "f", "F", "f*"} | _STROKES
# Widths of letters in percent, and sizes and lengths in units. Programs draw what is smaller in different ways.
MIN_SCALE, USUAL_SCALE = 10, 100
MIN_SIZE: Final = 0.001
MIN_DASHES: Final = 0.5
# Programs count the dashes up to the first one only so far.
MAX_PHASE: Final = 1000
# A line of a smaller part of its width is a dot.
_DOT: Final = 0.001
# Ends of lines (8.4.3.3). Programs draw a dot with square ends, or one that is closed, in different ways or not at all.
_BUTT, _ROUND, _SQUARE = 0, 1, 2


@dataclass(frozen=True)
class Looks:
    """What names in the resources stand for. `spaces`: the numbers that a colour of a space has, None if programs
    understand the space in different ways. `blending`: the graphics states that do not just paint over the page.
    `ending`: those that set the ends of lines. `forms`: the forms among the objects that can be drawn."""

    spaces: Mapping[str, int | None] = field(default_factory=dict)
    blending: Collection[str] = ()
    ending: Collection[str] = ()
    forms: Collection[str] = ()


@dataclass(frozen=True)
class _State:
    """What `q` saves. `scaled`, `raised`: letters are. `fill`, `stroke`: how many numbers a colour has. `ends`:
    those of lines. `dotted`: some dashes have no length.

    What these contents have not set is False, None or the worst, because a form has it from the page that draws it.
    """

    has_font: bool = False
    has_leading: bool = False
    scaled: bool = False
    raised: bool = False
    blended: bool = False
    fill: int | None = None
    stroke: int | None = None
    ends: int = _SQUARE
    dotted: bool = False


class ContentSteps:
    """The steps of one page, form, pattern or letter. `blended`: the names of what was drawn in a graphics
    state that blends."""

    def __init__(self, looks: Looks) -> None:
        self.blended = set[str]()
        self._looks = looks
        self._now, self._saved = _State(), list[_State]()
        self._in_text = False
        self._width = 1.0
        self._path: list[_Subpath] = []

    def take(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        """Take one operator with its operands. Return False if programs draw it in different ways."""
        if (self._in_text and operator in _NOT_IN_TEXT) or (self._path and operator in _NOT_IN_PATH):
            return False
        if operator in _POINTS or operator in ("re", "h"):
            self._extend(operator, numbers)
        elif operator in _PAINTS:
            return self._paint(operator)
        elif operator in _TEXTS:
            return self._in_text and self._now.has_font and (operator[0] == "T" or self._now.has_leading)
        elif operator in ("BT", "ET"):
            self._in_text = operator == "BT"
        elif operator == "q":
            self._saved.append(self._now)
        elif operator == "Q":
            self._now = self._saved.pop() if self._saved else _State()
        elif operator == "Do":
            self.blended |= {name} if self._now.blended else set()
            return name not in self._looks.forms or not (self._now.scaled or self._now.raised or self._draws_squares)
        else:
            return self._set(operator, numbers, name)
        return True

    def _set(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        """Set a part of the state. Return False if programs understand it in different ways."""
        match operator:
            case "J":
                self._now = replace(self._now, ends=int(numbers[-1]))
                return numbers[-1] in (_BUTT, _ROUND, _SQUARE)
            case "j":
                return numbers[-1] in (_BUTT, _ROUND, _SQUARE)
            case "w":
                self._width = numbers[-1]
            case "d":
                self._now = replace(self._now, dotted=0 in numbers[:-1])
                return are_usual_dashes(numbers[:-1], numbers[-1])
            case "gs":
                is_blended = self._now.blended or name in self._looks.blending
                ends = _SQUARE if name in self._looks.ending else self._now.ends
                self._now = replace(self._now, blended=is_blended, ends=ends)
            case _ if operator.lower() in _COLOURS:
                return self._set_colour(operator, numbers, name)
            case _:
                return self._set_text(operator, numbers)
        return True

    def _set_text(self, operator: str, numbers: Sequence[float]) -> bool:
        match operator:
            case "Tf":
                self._now = replace(self._now, has_font=True)
                return numbers[-1] == 0 or abs(numbers[-1]) >= MIN_SIZE
            case "TL" | "TD":
                self._now = replace(self._now, has_leading=True)
            case "T*":
                return self._now.has_leading
            case "Tz":
                self._now = replace(self._now, scaled=numbers[-1] != USUAL_SCALE)
                return abs(numbers[-1]) >= MIN_SCALE
            case "Ts":
                self._now = replace(self._now, raised=numbers[-1] != 0)
        return True

    def _set_colour(self, operator: str, numbers: Sequence[float], name: str) -> bool:
        which, kind = "fill" if operator.islower() else "stroke", operator.lower()
        count: int | None = getattr(self._now, which)
        if kind in ("sc", "scn"):
            return count == UNKNOWN or (bool(name) if count == PATTERN else len(numbers) == count and not name)
        count = _COUNTED.get(kind, _DEVICE.get(name, self._looks.spaces.get(name, UNKNOWN)))
        self._now = replace(self._now, **{which: count})  # type: ignore[arg-type]  # mypy: of any field
        return count is not None

    def _extend(self, operator: str, numbers: Sequence[float]) -> None:
        if operator in ("m", "re") or not self._path:
            self._path.append(_Subpath())
        if operator == "re":
            x, y, width, height = numbers
            numbers = (x, y, x + width, y + height)
        self._path[-1].add(operator, numbers)

    @property
    def _draws_squares(self) -> bool:
        """Return whether lines have dashes that are dots, with square ends."""
        return self._now.dotted and self._now.ends == _SQUARE

    def _paint(self, operator: str) -> bool:
        path, self._path = self._path, []
        if operator not in _STROKES or self._now.ends == _BUTT:
            return True
        dots = [each for each in path if each.extent() <= _DOT * max(1.0, self._width)]
        are_round = self._now.ends == _ROUND and operator in _OPEN_STROKES and all(each.is_line for each in dots)
        return (are_round or not dots) and not self._draws_squares


class _Subpath:
    """A part of a path. `is_line`: it was drawn by straight lines and is open."""

    def __init__(self) -> None:
        self.is_line = True
        self._x, self._y = list[float](), list[float]()

    def add(self, operator: str, numbers: Sequence[float]) -> None:
        self.is_line = self.is_line and operator in "ml"
        self._x += numbers[::2]
        self._y += numbers[1::2]

    def extent(self) -> float:
        """Return the greater of width and height. A point alone, of which nothing is drawn, has any."""
        if len(self._x) < 2 and self.is_line:
            return float("inf")
        return max(max(self._x) - min(self._x), max(self._y) - min(self._y)) if self._x else float("inf")


def are_usual_dashes(lengths: Sequence[float], phase: float) -> bool:
    """Return whether all programs draw lines of these dashes and gaps alike."""
    if not lengths:
        return True
    return min(lengths) >= 0 and sum(lengths) >= MIN_DASHES and 0 <= phase <= MAX_PHASE
