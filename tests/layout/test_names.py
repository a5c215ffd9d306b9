"""Rules about names that a test can check."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from tests.layout.test_layout_rules import ROOT, tree

PACKAGES = ("hub", "channels", "chats", "qianda", "bench")
# A bound is `MAX_…`, `MIN_…` or `…_LIMIT`.
PRIVATE_BOUND = re.compile(r"\b_?(?:MOST|LONGEST|LARGEST|SHORTEST|FEWEST|SMALLEST|LEAST)(?:_[A-Z0-9_]+)?\b")
# Words that would mean something different in each file.
NO_CLASS_NAMES = {"Place", "Call", "Share", "Standing", "Given", "Told", "Asked", "Known"}


MAX_PARAMETERS = 5
# Functions whose parameters we do not choose: the options of a command, and functions that a library calls.
GIVEN_FROM_OUTSIDE = {
    ("qianda/cli.py", "verify"),
    ("qianda/seal_command.py", "seal_files"),
    ("bench/__main__.py", "bench"),
    ("channels/twilio_http.py", "request"),
    ("hub/commands/person.py", "export"),
    ("hub/commands/person.py", "erase"),
    ("hub/commands/seals.py", "apply_command"),
    ("hub/commands/seals.py", "grant_command"),
}


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Return the nodes of a file's syntax tree about which there are rules."""
    kept = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Name
    return [node for node in ast.walk(tree(path)) if isinstance(node, kept)]


def functions() -> Iterator[tuple[str, str, int]]:
    """Yield file, name and number of parameters of each function of the product, without `self` and `cls`."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in nodes(path):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                    names = [each.arg for each in parameters if each.arg not in ("self", "cls")]
                    yield path.relative_to(ROOT).as_posix(), node.name, len(names)


def classes() -> Iterator[tuple[str, Path]]:
    """Yield name and file of each class of the product, without private classes."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in nodes(path):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node.name, path.relative_to(ROOT)


def test_a_class_name_stands_once() -> None:
    places = defaultdict(list)
    for name, path in classes():
        places[name].append(path)
    assert len(places) > 600
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_class_has_a_name_that_means_many_things() -> None:
    assert [(name, path) for name, path in classes() if name in NO_CLASS_NAMES] == []


def test_a_function_has_at_most_five_parameters() -> None:
    """Parameters beyond five belong together in a value."""
    found = list(functions())
    assert len(found) > 3000
    assert {(path, name) for path, name, count in found if count > MAX_PARAMETERS} == GIVEN_FROM_OUTSIDE


def test_what_a_constant_is_stands_above_it() -> None:
    """A bare string below a module's constant is easily taken for a comment on the next constant."""
    below = []
    for package in (*PACKAGES, "tests"):
        for path in sorted((ROOT / package).rglob("*.py")):
            body = tree(path).body
            below += [
                f"{path.relative_to(ROOT)}:{after.lineno}"
                for statement, after in pairwise(body)
                if isinstance(statement, ast.Assign | ast.AnnAssign)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ]
    assert below == []


def names_in(path: Path) -> set[str]:
    return {node.id for node in nodes(path) if isinstance(node, ast.Name)}


def test_a_bound_has_the_usual_name() -> None:
    paths = [path for package in (*PACKAGES, "tests") for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(paths) > 700
    assert [
        (str(path.relative_to(ROOT)), name)
        for path in paths
        for name in names_in(path)
        if PRIVATE_BOUND.fullmatch(name)
    ] == []


# Verbs that have a textbook name: process, reconcile or finish, consume, collect, prefetch, flush.
BANNED_VERBS = re.compile(r"_*(?:hear|settle|spend|gather|foresee|foreseen|bring_out)(?:_|$)")


def test_a_function_has_no_private_verb() -> None:
    assert {
        (path, name) for path, name, _ in functions() if path.startswith("hub/") and BANNED_VERBS.match(name)
    } == set()


MAX_UNFORMATTED = 20


def test_the_formatter_decides() -> None:
    """The only exceptions are tables."""
    mark = "# fmt: " + "skip"
    paths = [path for package in (*PACKAGES, "tests") for path in sorted((ROOT / package).rglob("*.py"))]
    assert 0 < sum(path.read_text("utf-8").count(mark) for path in paths) <= MAX_UNFORMATTED
