"""Set up Typst with the contract's font. Only processes that lay out contracts import this, since it takes 10 MB."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import typst

from hub.documents.fonts import FONT_NAME, SISTER_NAME
from hub.errors import FontMissing

# Archivable and tagged. Incremental updates with signatures keep it so (ISO 19005-2, PAdES).
PDF_STANDARD: Final = "a-2a"
_OLD_KIND = "sys.inputs"


class ContractTypesetter:
    """A typesetter for the contracts of one layout, for one thread.

    A layout that names `sys.inputs` reads `sys.inputs.contract` as JSON; any other has to define `draw(contract)`.
    """

    def __init__(self, layout: Path, root: Path, fonts: Path) -> None:
        self._compiler = compiler(layout, root, fonts)
        self._file = layout.relative_to(root)
        self._is_old = _OLD_KIND in layout.read_text("utf-8")

    def typeset(self, contract: str, issued_at: datetime) -> bytes:
        """Return the PDF. `contract`: as JSON. Raises RuntimeError."""
        asked: dict[str, Any] = {"sys_inputs": {"contract": contract}}
        if not self._is_old:
            asked = {"input": call_draw(self._file, contract)}
        pdf = self._compiler.compile(**asked, format="pdf", timestamp=issued_at, pdf_standards=PDF_STANDARD)
        if not isinstance(pdf, bytes):
            raise RuntimeError("Typst gave no PDF")
        return pdf


def call_draw(file: Path, values: str) -> bytes:
    """Return a main file for Typst that calls the function `draw` of a file below the root. `values`: as JSON.

    Typst caches results by function and arguments. If the values were passed as inputs, it would reuse nothing, because
    for Typst other inputs mean another standard library. Even passing the same inputs again costs a millisecond, so
    none are passed.
    """
    # In a Typst string, only these two characters have a special meaning.
    text = values.replace("\\", "\\\\").replace('"', '\\"')
    return f'#import "/{file}": draw\n#draw(json(bytes("{text}")))'.encode()


def compiler(template: Path, root: Path, fonts: Path) -> typst.Compiler:
    """Return a compiler for one thread, because Typst's compilers are not thread-safe ("Already borrowed").

    The compilers share the fonts, which are read once. Raises FontMissing.
    """
    return typst.Compiler(template, root=root, font_paths=typefaces(fonts), ignore_system_fonts=True)


@cache  # an installed font does not change under a running process
def typefaces(folder: Path) -> typst.Fonts:
    """Return the fonts in the folder.

    Raises FontMissing, because without the contract's fonts Typst would print empty pages without an error.
    """
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    if not {FONT_NAME, SISTER_NAME} <= set(found.families()):
        raise FontMissing(f"Typst does not find {FONT_NAME} and {SISTER_NAME} in {folder}.")
    return found
