"""Draw with Typst: our own templates, with values that are only shown, never executed.

A template defines `draw(data)`. The same input gives the same bytes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import typst

from hub.documents.fonts import FONT_NAME, ContractFont
from hub.documents.typesetting import call_draw, compiler

# The creation date of Typst's files. It is constant, because the moment of drawing would make the bytes differ.
NO_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)


# Each thread has its own compilers, because one of Typst's compilers serves one thread at a time.
_local = threading.local()
_font = cache(ContractFont)


def draw(template: Path, texts: Mapping[str, str], data: Mapping[str, Any], *, tagged: bool = False) -> bytes:
    """Return the PDF of a template, which gets `data` and the name of the font.

    `texts`: the texts that people entered, by field. Raises UndrawableText if the font cannot show one of them.
    """
    for field, text in texts.items():
        _font().check([text], field=field)
    pdf = _compiler(template).compile(_main(template, data), format="pdf", timestamp=NO_MOMENT, pdf_tags=tagged)
    assert isinstance(pdf, bytes)
    return pdf


def draw_png(template: Path, data: Mapping[str, Any], pixels_per_inch: float) -> bytes:
    """Return a PNG of the template's only page. Arguments as in `draw`."""
    png = _compiler(template).compile(_main(template, data), format="png", ppi=pixels_per_inch)
    assert isinstance(png, bytes)
    return png


def _main(template: Path, data: Mapping[str, Any]) -> bytes:
    return call_draw(Path(template.name), json.dumps({**data, "font": FONT_NAME}, ensure_ascii=False))


def _compiler(template: Path) -> typst.Compiler:
    compilers: dict[Path, typst.Compiler] = _local.__dict__.setdefault("compilers", {})
    if template not in compilers:
        compilers[template] = compiler(template, template.parent, _font().folder)
    return compilers[template]
