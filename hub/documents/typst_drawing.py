"""The child's part of `hub.documents.typst_child`: lay out one contract with Typst."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path

from hub.documents.child import serve
from hub.documents.typesetting import ContractTypesetter

_typesetter = cache(ContractTypesetter)


def _answer(question: bytes) -> bytes:
    asked = json.loads(question)
    layout, root, fonts = (Path(asked[name]) for name in ("layout", "root", "fonts"))
    issued_at = datetime.fromisoformat(asked["issued_at"])
    return _typesetter(layout, root, fonts).typeset(asked["contract"], issued_at)


if __name__ == "__main__":
    serve(_answer, (RuntimeError, ValueError))
