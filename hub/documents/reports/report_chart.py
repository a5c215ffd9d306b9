"""Draw charts of reports as SVG (1.1). A table with the same numbers is next to each chart.

A bar has three shades, each a part of the one before: issued, reached, completed. The classes give them the colours of
the page, light or dark. The colour attributes are for places without a style sheet, such as an e-mail. The shades can
be told apart without colour, because they are nested and differ in lightness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape, quoteattr

from hub.model.reports.report import ReportLine

WIDTH, HEIGHT = 440, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 4, 14, 24
# How many labels have room next to each other below the columns.
MAX_LABELS = 6
ROW_HEIGHT, BAR_HEIGHT = 40, 14
# The most bars that are drawn. Further ones are only in the table.
MAX_ROWS = 20
# The fraction of its space that a column fills.
FILLED = 0.8
SHADES = {"issued": "#d5dfea", "reached": "#7fa9d6", "completed": "#0b5cad"}
INK, LINE = "#1f2937", "#c9c5bb"
# The only font that the renderer of e-mail pictures has.
FONT = "Noto Serif CJK SC, sans-serif"


@dataclass(frozen=True)
class ChartBar:
    """One group. Each number is a part of the one before it."""

    label: str
    issued: int
    reached: int
    completed: int

    @property
    def parts(self) -> dict[str, int]:
        return {"issued": self.issued, "reached": self.reached, "completed": self.completed}


@dataclass(frozen=True)
class ChartWords:
    """The texts of a chart. `title`: what it shows, for people who cannot see it."""

    title: str
    issued: str
    reached: str
    completed: str

    @property
    def legend(self) -> dict[str, str]:
        return {"issued": self.issued, "reached": self.reached, "completed": self.completed}


def bars_of_days(days: Mapping[date, ReportLine]) -> list[ChartBar]:
    """Return a bar for each day, labelled with month and day."""
    return [bar_of(f"{day:%m-%d}", line) for day, line in days.items()]


def bar_of(label: str, line: ReportLine) -> ChartBar:
    return ChartBar(label, line.issued, line.reached, line.completed)


def draw_columns(bars: Sequence[ChartBar], words: ChartWords) -> str:
    """Return a chart with one column for each bar. It is used for days."""
    return _svg(words, HEIGHT, [*_legend(words, HEIGHT), *_columns(bars)])


def draw_rows(bars: Sequence[ChartBar], words: ChartWords) -> str:
    """Return a chart with one row for each bar, for campuses, courses and channels. At most MAX_ROWS are drawn."""
    shown = bars[:MAX_ROWS]
    height = ROW_HEIGHT * len(shown) + BOTTOM
    return _svg(words, height, [*_legend(words, height), *_rows(shown)])


def choose_scale(largest: int) -> int:
    """Return the end of the scale: at least `largest`, and an even number that is 2, 4 or 10 times a power of ten."""
    power = 1
    while True:
        for factor in (2, 4, 10):
            if factor * power >= largest:
                return factor * power
        power *= 10


def _columns(bars: Sequence[ChartBar]) -> Iterator[str]:
    whole, depth = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM - BOTTOM
    scale = choose_scale(max((bar.issued for bar in bars), default=0))
    for value in (0, scale // 2, scale):
        y = TOP + depth * (1 - value / scale)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{LINE}"/>'
        yield _text(f"{value:,}", LEFT - 6, y + 4, "end")
    place = whole / max(len(bars), 1)
    step = -(-len(bars) // MAX_LABELS) or 1
    for number, bar in enumerate(bars):
        x = LEFT + place * (number + (1 - FILLED) / 2)
        for name, value in bar.parts.items():
            height = depth * value / scale
            if value:
                yield _rect(name, x, TOP + depth - height, place * FILLED, height)
        if number % step == 0:
            yield _text(bar.label, x, TOP + depth + 18, "start")


def _rows(bars: Sequence[ChartBar]) -> Iterator[str]:
    scale = max((bar.issued for bar in bars), default=0) or 1
    for number, bar in enumerate(bars):
        top = ROW_HEIGHT * number
        yield _text(f"{bar.label}  {bar.issued:,} · {bar.reached:,} · {bar.completed:,}", 0, top + 16, "start")
        for name, value in bar.parts.items():
            if value:
                yield _rect(name, 0, top + 21, WIDTH * value / scale, BAR_HEIGHT)


def _legend(words: ChartWords, height: int) -> Iterator[str]:
    for number, (name, word) in enumerate(words.legend.items()):
        x = WIDTH / 3 * number
        yield _rect(name, x, height - 12, 12, 12)
        yield _text(word, x + 18, height - 2, "start")


def _svg(words: ChartWords, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img"'
    style = f'font-family={quoteattr(FONT)} font-size="15"'
    return f"{head} aria-label={quoteattr(words.title)} {style}>{''.join(parts)}</svg>"


def _rect(name: str, x: float, y: float, width: float, height: float) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{name}" {place} fill="{SHADES[name]}"/>'


def _text(words: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(words)}</text>'
