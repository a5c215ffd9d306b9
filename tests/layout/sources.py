"""What the rules about the code need to know of a file. Each file is parsed once, and its syntax tree is not kept."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class FunctionFacts:
    """`parameters` does not count `self` and `cls`."""

    name: str
    lines: int
    parameters: int


@dataclass(frozen=True)
class SourceFacts:
    """`strings_below`: the lines with a bare string right below a module's constant."""

    text: str
    has_docstring: bool
    functions: tuple[FunctionFacts, ...]
    classes: tuple[str, ...]
    strings_below: tuple[int, ...]


@cache
def read_source(path: Path) -> SourceFacts:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    found = list(definitions(tree))
    return SourceFacts(
        text,
        ast.get_docstring(tree) is not None,
        tuple(_facts_of(node) for node in found if not isinstance(node, ast.ClassDef)),
        tuple(node.name for node in found if isinstance(node, ast.ClassDef)),
        tuple(
            after.lineno
            for statement, after in pairwise(tree.body)
            if isinstance(statement, ast.Assign | ast.AnnAssign)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ),
    )


def definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Yield functions and classes, those inside others too. They stand among statements, never in expressions."""
    inside: list[ast.AST] = [tree]
    while inside:
        for node in ast.iter_child_nodes(inside.pop()):
            if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
                inside.append(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node


def _facts_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> FunctionFacts:
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    chosen = [each for each in parameters if each.arg not in ("self", "cls")]
    return FunctionFacts(node.name, (node.end_lineno or node.lineno) - node.lineno + 1, len(chosen))
