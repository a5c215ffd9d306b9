"""Read the pages of a laid-out PDF: what each operator draws, and where (ISO 32000-1, 8 and 9).

Only the operators that our layout uses are supported. Others are refused, so that a page never silently lacks
something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hub.documents.ofd.drawn import (
    Box,
    Colour,
    Drawn,
    DrawnImage,
    DrawnPath,
    Glyph,
    GlyphRun,
    Line,
    Matrix,
    Step,
    box_of,
    combine,
    common_box,
    place,
    scale_of,
)
from hub.documents.ofd.pdf_fonts import PdfFont, read_font
from hub.errors import BadInput

if TYPE_CHECKING:
    import pikepdf

MILLIMETRES: Final = 25.4 / 72
IDENTITY: Final[Matrix] = (1, 0, 0, 1, 0, 0)
BLACK: Final[Colour] = (0, 0, 0)
MAX_CARRIED_FORM_DEPTH = 10
_CLOSE = 1e-4  # mm
_CODE_BYTES = 2
_FILLED, _INVISIBLE = 0, 3
# Operators that draw nothing: marked content, compatibility, rendering hints.
_IGNORED = frozenset("BMC BDC EMC MP DP BX EX ri i".split())


@dataclass(frozen=True)
class _Graphics:
    """The graphics state. Fonts and similar resources are looked up when they are used."""

    matrix: Matrix
    fill: Colour = BLACK
    stroke: Colour = BLACK
    width: float = 1.0
    cap: int = 0
    join: int = 0
    miter: float = 10.0
    dash: tuple[float, ...] = ()
    dash_offset: float = 0.0
    alpha: float = 1.0
    font: str = ""
    size: float = 0.0
    char_space: float = 0.0
    stretch: float = 1.0
    leading: float = 0.0
    rise: float = 0.0
    mode: int = _FILLED
    clip: Box | None = None


@dataclass
class PdfPage:
    """A page after reading: its size in mm, its content, and the fonts and images that it uses, by their names."""

    width: float
    height: float
    drawn: list[Drawn] = field(default_factory=list)
    fonts: dict[str, PdfFont] = field(default_factory=dict)
    images: dict[str, pikepdf.Object] = field(default_factory=dict)


def read_page(page: pikepdf.Page) -> PdfPage:
    """Return the content of a page. Raises BadInput for a page drawn in an unsupported way."""
    left, bottom, right, top = (float(value) for value in page.mediabox)
    read = PdfPage((right - left) * MILLIMETRES, (top - bottom) * MILLIMETRES)
    to_page = (MILLIMETRES, 0, 0, -MILLIMETRES, -left * MILLIMETRES, top * MILLIMETRES)
    _Interpreter(read, page.obj.get("/Resources", {}), to_page, 0).run(page)
    return read


class _Interpreter:
    """Runs the operators of a page, or of a form in it."""

    def __init__(self, page: PdfPage, resources: Any, matrix: Matrix, depth: int) -> None:
        self._page, self._resources, self._depth = page, resources, depth
        self._state = _Graphics(matrix)
        self._kept: list[_Graphics] = []
        self._path: list[Step] = []
        self._clips = False
        self._text = self._line = IDENTITY

    def run(self, stream: Any) -> None:
        import pikepdf  # takes 9 MB with its libraries; most processes write no OFD

        for instruction in pikepdf.parse_content_stream(stream):
            name = str(instruction.operator)
            if name in _IGNORED:
                continue
            method = _METHODS.get(name)
            if method is None:
                raise BadInput(f"The PDF draws in a way that cannot be carried over to OFD: {name}", field="document")
            method(self, list(instruction.operands))

    # ---- the graphics state

    def _keep(self, _: Sequence[Any]) -> None:
        self._kept.append(self._state)

    def _restore(self, _: Sequence[Any]) -> None:
        self._state = self._kept.pop()

    def _concatenate(self, values: Sequence[Any]) -> None:
        self._state = replace(self._state, matrix=combine(_matrix(values), self._state.matrix))

    def _extended(self, values: Sequence[Any]) -> None:
        known = {"/LW": "width", "/LC": "cap", "/LJ": "join", "/ML": "miter", "/ca": "alpha", "/CA": "alpha"}
        for key, value in self._resources["/ExtGState"][values[0]].items():
            if key in known:
                changed: Any = {known[key]: float(value)}
                self._state = replace(self._state, **changed)
            elif key not in ("/Type", "/SA", "/AIS", "/OP", "/op", "/OPM") and value not in ("/None", "/Normal"):
                raise BadInput(f"The PDF draws in a way that cannot be carried over to OFD: {key}", field="document")

    def _dash(self, values: Sequence[Any]) -> None:
        pattern = tuple(float(value) for value in values[0])
        self._state = replace(self._state, dash=pattern, dash_offset=float(values[1]))

    # ---- paths

    def _step(self, letter: str, values: Sequence[Any]) -> None:
        numbers = [float(value) for value in values]
        points = tuple(place(self._state.matrix, pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
        self._path.append((letter, points))

    def _curve_from_here(self, values: Sequence[Any]) -> None:
        here = self._path[-1][1][-1]
        first, second = (place(self._state.matrix, (float(x), float(y))) for x, y in (values[:2], values[2:]))
        self._path.append(("B", (here, first, second)))

    def _curve_to_here(self, values: Sequence[Any]) -> None:
        self._step("B", [*values, *values[2:]])

    def _rectangle(self, values: Sequence[Any]) -> None:
        x, y, width, height = (float(value) for value in values)
        self._step("M", (x, y))
        for corner in ((x + width, y), (x + width, y + height), (x, y + height)):
            self._step("L", corner)
        self._path.append(("C", ()))

    def _close(self, _: Sequence[Any] = ()) -> None:
        self._path.append(("C", ()))

    def _paint(self, *, fill: bool = False, stroke: bool = False, even_odd: bool = False, close: bool = False) -> None:
        state, steps = self._state, tuple(self._path)
        if close and steps:
            steps += (("C", ()),)
        if steps and (fill or stroke):
            scale = scale_of(state.matrix)
            dash = tuple(length * scale for length in state.dash)
            line = Line(
                state.width * scale, int(state.cap), int(state.join), state.miter, dash, state.dash_offset * scale
            )
            drawn = DrawnPath(
                steps,
                state.fill if fill else None,
                state.stroke if stroke else None,
                line,
                even_odd,
                round(state.alpha * 255),
                state.clip,
            )
            self._page.drawn.append(drawn)
        if self._clips:
            self._state = replace(state, clip=common_box(_rectangle(steps), state.clip))
        self._path, self._clips = [], False

    def _clip(self, _: Sequence[Any]) -> None:
        self._clips = True

    # ---- text

    def _begin_text(self, _: Sequence[Any]) -> None:
        self._text = self._line = IDENTITY

    def _choose_font(self, values: Sequence[Any]) -> None:
        font = self._resources["/Font"][values[0]]
        name = str(font["/BaseFont"])
        if name not in self._page.fonts:
            self._page.fonts[name] = read_font(font)
        self._state = replace(self._state, font=name, size=float(values[1]))

    def _set_line(self, values: Sequence[Any]) -> None:
        self._text = self._line = _matrix(values)

    def _move_line(self, values: Sequence[Any]) -> None:
        self._text = self._line = combine((1, 0, 0, 1, float(values[0]), float(values[1])), self._line)

    def _move_and_lead(self, values: Sequence[Any]) -> None:
        self._state = replace(self._state, leading=-float(values[1]))
        self._move_line(values)

    def _next_line(self, _: Sequence[Any] = ()) -> None:
        self._move_line((0, -self._state.leading))

    def _show(self, values: Sequence[Any]) -> None:
        self._show_parts(values[:1])

    def _show_next(self, values: Sequence[Any]) -> None:
        self._next_line()
        self._show_parts(values[-1:])

    def _show_adjusted(self, values: Sequence[Any]) -> None:
        self._show_parts(values[0])

    def _show_parts(self, parts: Any) -> None:
        """Show strings with numbers between them. A number moves the next glyph back by thousandths of a font size."""
        state, font = self._state, self._page.fonts[self._state.font]
        x, glyphs = 0.0, []
        for part in parts:
            if isinstance(part, int | float | Decimal):
                x -= float(part) / 1000 * state.size * state.stretch
                continue
            codes = bytes(part)
            for code in (int.from_bytes(codes[at : at + 2], "big") for at in range(0, len(codes), _CODE_BYTES)):
                if not code:
                    raise BadInput("The PDF shows a character that its font does not have.", field="document")
                glyphs.append(Glyph(code, font.text(code), x))
                x += (font.width(code) * state.size + state.char_space) * state.stretch
        if state.mode not in (_FILLED, _INVISIBLE) or state.stretch != 1.0:
            raise BadInput("The PDF draws in a way that cannot be carried over to OFD: Tr", field="document")
        if glyphs and state.mode == _FILLED:
            matrix = combine((1, 0, 0, 1, 0, state.rise), combine(self._text, state.matrix))
            self._page.drawn.append(GlyphRun(state.font, state.size, matrix, tuple(glyphs), state.fill, state.clip))
        self._text = combine((1, 0, 0, 1, x, 0), self._text)

    # ---- forms and images

    def _show_object(self, values: Sequence[Any]) -> None:
        shown = self._resources["/XObject"][values[0]]
        if shown.get("/Subtype") == "/Image":
            name = f"{shown.objgen[0]}"
            self._page.images[name] = shown
            self._page.drawn.append(DrawnImage(name, self._state.matrix, self._state.clip))
            return
        if shown.get("/Subtype") != "/Form" or self._depth >= MAX_CARRIED_FORM_DEPTH:
            raise BadInput("The PDF draws in a way that cannot be carried over to OFD: Do", field="document")
        matrix = combine(_matrix(shown.get("/Matrix", IDENTITY)), self._state.matrix)
        inner = _Interpreter(self._page, shown.get("/Resources", self._resources), matrix, self._depth + 1)
        inner._state = replace(self._state, matrix=matrix)
        inner.run(shown)


def _rectangle(steps: Sequence[Step]) -> Box:
    """Return the box of a path that is an upright rectangle. Raises BadInput for a clip of another form, because the
    boundary of an OFD object, which cuts it off, is always a box."""
    corners = [point for letter, points in steps for point in points if letter in "ML"]
    straight = all(letter in "MLC" for letter, _ in steps)
    box = box_of(corners) if corners else (0.0, 0.0, 0.0, 0.0)
    on_corners = all(_near(x, box[0], box[2]) and _near(y, box[1], box[3]) for x, y in corners)
    if not straight or not on_corners or len(corners) not in (4, 5):
        raise BadInput("The PDF draws in a way that cannot be carried over to OFD: a clip", field="document")
    return box


def _near(value: float, one: float, other: float) -> bool:
    return min(abs(value - one), abs(value - other)) < _CLOSE


def _matrix(values: Any) -> Matrix:
    a, b, c, d, e, f = (float(value) for value in values)
    return a, b, c, d, e, f


def _colour(values: Sequence[Any]) -> Colour:
    """Return a colour by its number of components: gray, RGB, CMYK."""
    parts = [min(1.0, max(0.0, float(value))) for value in values]
    if len(parts) == 1:
        parts *= 3
    elif len(parts) == 4:
        *inks, black = parts
        parts = [(1 - ink) * (1 - black) for ink in inks]
    if len(parts) != 3:
        raise BadInput("The PDF draws in a way that cannot be carried over to OFD: a colour", field="document")
    red, green, blue = (round(part * 255) for part in parts)
    return red, green, blue


_Method = Callable[["_Interpreter", list[Any]], None]


def _set(name: str, convert: Callable[[Any], Any] = float, *, many: bool = False) -> _Method:
    """Return a method that sets one field of the state to the operand, or to all operands."""

    def method(self: _Interpreter, values: list[Any]) -> None:
        self._state = replace(self._state, **{name: convert(values if many else values[0])})

    return method


def _steps(letter: str) -> _Method:
    return lambda self, values: self._step(letter, values)


def _paints(**how: bool) -> _Method:
    return lambda self, _: self._paint(**how)


def _nothing(_self: _Interpreter, _values: Sequence[Any]) -> None:
    """Ignore the colour space. In our layout, the number of components says which colour space it is."""


def _methods() -> Iterator[tuple[str, _Method]]:
    yield from {"q": _Interpreter._keep, "Q": _Interpreter._restore, "cm": _Interpreter._concatenate}.items()
    yield from {"gs": _Interpreter._extended, "d": _Interpreter._dash, "Do": _Interpreter._show_object}.items()
    yield from {"w": _set("width"), "J": _set("cap", int), "j": _set("join", int), "M": _set("miter")}.items()
    # Word spacing (Tw) applies to single-byte codes alone (ISO 32000-1, 9.3.3), which no font here has.
    yield from ((name, _nothing) for name in ("cs", "CS", "ET", "Tw"))
    yield from ((name, _set("fill", _colour, many=True)) for name in ("g", "rg", "k", "sc", "scn"))
    yield from ((name, _set("stroke", _colour, many=True)) for name in ("G", "RG", "K", "SC", "SCN"))
    yield from {"m": _steps("M"), "l": _steps("L"), "c": _steps("B"), "h": _Interpreter._close}.items()
    yield from {"v": _Interpreter._curve_from_here, "y": _Interpreter._curve_to_here}.items()
    yield from {"re": _Interpreter._rectangle, "W": _Interpreter._clip, "W*": _Interpreter._clip}.items()
    yield from {"n": _paints(), "f": _paints(fill=True), "F": _paints(fill=True), "S": _paints(stroke=True)}.items()
    yield from {"s": _paints(stroke=True, close=True), "B": _paints(fill=True, stroke=True)}.items()
    yield from {"f*": _paints(fill=True, even_odd=True), "b": _paints(fill=True, stroke=True, close=True)}.items()
    yield "B*", _paints(fill=True, stroke=True, even_odd=True)
    yield "b*", _paints(fill=True, stroke=True, even_odd=True, close=True)
    yield from {"BT": _Interpreter._begin_text, "Tf": _Interpreter._choose_font}.items()
    yield from {"Tm": _Interpreter._set_line, "Td": _Interpreter._move_line, "TD": _Interpreter._move_and_lead}.items()
    yield "T*", _Interpreter._next_line
    yield from {"Tj": _Interpreter._show, "TJ": _Interpreter._show_adjusted}.items()
    yield "'", _Interpreter._show_next
    yield from {"Tc": _set("char_space"), "TL": _set("leading"), "Ts": _set("rise"), "Tr": _set("mode", int)}.items()
    yield "Tz", _set("stretch", lambda value: float(value) / 100)


_METHODS: Final = dict(_methods())
