"""Draw the chart of a weekly report as PNG, because e-mail programs do not show SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hub.documents.drawing import draw_png

TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "reports"
# Two pixels for each point, so that the picture is sharp on high-resolution screens.
PIXELS_PER_INCH: Final = 144.0


def picture_of(svg: str) -> bytes:
    """Return a chart of `report_chart` as PNG. The same chart gives the same bytes."""
    return draw_png(TEMPLATES / "picture.typ", {"svg": svg}, PIXELS_PER_INCH)
