"""Set up Typst with the contract's font. Only processes that lay out contracts import this, since it takes 10 MB."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import typst

from hub.documents.fonts import FONT_NAME
from hub.errors import FontMissing


def compiler(template: Path, root: Path, fonts: Path) -> typst.Compiler:
    """Return a compiler for one thread, because Typst's compilers are not thread-safe ("Already borrowed").

    The compilers share the fonts, which are read once. Raises FontMissing.
    """
    return typst.Compiler(template, root=root, font_paths=typefaces(fonts), ignore_system_fonts=True)


@cache  # an installed font does not change under a running process
def typefaces(folder: Path) -> typst.Fonts:
    """Return the fonts in the folder.

    Raises FontMissing, because without the contract's font Typst would print empty pages without an error.
    """
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    if FONT_NAME not in found.families():
        raise FontMissing(f"Typst does not find {FONT_NAME} in {folder}.")
    return found
