"""The child's part of `hub.documents.typst_child`: lays out one contract with Typst."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path

import typst

from hub.documents.child import serve
from hub.documents.typesetting import compiler

_compiler = cache(compiler)


def _answer(question: bytes) -> bytes:
    asked = json.loads(question)
    layout, root, fonts = (Path(asked[name]) for name in ("layout", "root", "fonts"))
    found: typst.Compiler = _compiler(layout, root, fonts)
    pdf = found.compile(
        format="pdf",
        sys_inputs={"contract": asked["contract"]},
        timestamp=datetime.fromisoformat(asked["issued_at"]),
        pdf_standards=asked["standard"],
    )
    if not isinstance(pdf, bytes):
        raise ValueError("Typst gave no PDF")
    return pdf


if __name__ == "__main__":
    serve(_answer, (RuntimeError, ValueError))
