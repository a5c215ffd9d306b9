"""The texts that a page's template asks to be translated."""

from __future__ import annotations

from pathlib import Path

import jinja2
from jinja2 import nodes


def texts_of(page: Path) -> set[str]:
    """Return every literal text in a call of `_`. Texts that are put together during rendering are not included."""
    calls = jinja2.Environment().parse(page.read_text("utf-8")).find_all(nodes.Call)
    asked = [call.args[0] for call in calls if isinstance(call.node, nodes.Name) and call.node.name == "_"]
    return {text.value for text in asked if isinstance(text, nodes.Const)}
