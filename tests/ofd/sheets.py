"""A page with everything that a layout may draw: an image, clips, turned text, curves, dashes, a ligature, rare
characters."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typst

from hub.documents.fonts import FONT_FOLDER
from tests.ofd.identities import red_square

SOURCE = """
#set page(width: 120mm, height: 90mm, margin: 10mm)
#set text(font: "Noto Serif CJK SC", size: 11pt, lang: "zh")
office 示范 𠮷 龘（合同）“引号”
#image("red.png", width: 12mm)
#place(top + right, box(width: 20mm, height: 2.6mm, clip: true, [这一行比它的框长得多，要被裁掉]))
#place(bottom + right, rotate(90deg)[竖着 turned])
#place(center + horizon, circle(radius: 8mm, fill: rgb("#d0e0f0"), stroke: 0.4mm + rgb("#204060")))
#place(bottom + left, line(length: 60mm, stroke: (paint: red, thickness: 0.5mm, dash: "dashed")))
"""


def odd_sheet() -> bytes:
    """Return the page as a PDF."""

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "red.png").write_bytes(red_square())
        (Path(folder) / "sheet.typ").write_text(SOURCE, "utf-8")
        compiled = typst.compile(str(Path(folder) / "sheet.typ"), font_paths=[str(FONT_FOLDER)])
    assert isinstance(compiled, bytes)
    return compiled
