"""The texts that a page's template asks to be translated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
from jinja2 import nodes


def texts_of(page: Path) -> set[str]:
    """Return every literal text in a call of `_`. Texts that are put together during rendering are not included."""
    return {text.value for text in _asked(jinja2.Environment().parse(page.read_text("utf-8")))}


def texts_and_what_follows(page: Path) -> Iterator[tuple[str, int, str]]:
    """Yield each literal text that is shown, its line, and the template's own text between it and the next value."""
    for output in jinja2.Environment().parse(page.read_text("utf-8")).find_all(nodes.Output):
        for shown, after in zip(output.nodes, output.nodes[1:], strict=False):
            if isinstance(after, nodes.TemplateData):
                yield from ((text.value, shown.lineno, after.data) for text in _asked(shown))


def _asked(within: nodes.Node) -> Iterator[nodes.Const]:
    for call in (within, *within.find_all(nodes.Call)):
        if isinstance(call, nodes.Call) and isinstance(call.node, nodes.Name) and call.node.name == "_":
            if isinstance(call.args[0], nodes.Const):
                yield call.args[0]
