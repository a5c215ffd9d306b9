"""Rules about functions, modules and names. (All that parse the code stand here: one worker reads it once.)"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.layout.sources import ROOT, FunctionFacts, read_source
from tests.layout.test_layout_rules import python_files, shown

PACKAGES = ("hub", "channels", "chats", "qianda", "bench")
# A bound is `MAX_…`, `MIN_…` or `…_LIMIT`.
PRIVATE_BOUND = re.compile(r"\b_?(?:MOST|LONGEST|LARGEST|SHORTEST|FEWEST|SMALLEST|LEAST)(?:_[A-Z0-9_]+)?\b")
# Words that would mean something different in each file.
NO_CLASS_NAMES = {"Place", "Call", "Share", "Standing", "Given", "Told", "Asked", "Known"}
MAX_FUNCTION_LINES = 50
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


def files(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def functions() -> Iterator[tuple[str, FunctionFacts]]:
    """Yield the file and each function of the product."""
    for path in files(*PACKAGES):
        for function in read_source(path).functions:
            yield path.relative_to(ROOT).as_posix(), function


def classes() -> Iterator[tuple[str, Path]]:
    """Yield name and file of each class of the product, without private classes."""
    for path in files(*PACKAGES):
        for name in read_source(path).classes:
            if not name.startswith("_"):
                yield name, path.relative_to(ROOT)


def test_functions_are_short() -> None:
    found = [(path, function) for path in python_files() for function in read_source(path).functions]
    long = {f"{shown(path)}: {function.name}": function.lines for path, function in found}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


def test_every_module_says_what_it_is() -> None:
    silent = [shown(path) for path in python_files() if not read_source(path).has_docstring]
    assert silent == []


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
    assert {(path, each.name) for path, each in found if each.parameters > MAX_PARAMETERS} == GIVEN_FROM_OUTSIDE


def test_what_a_constant_is_stands_above_it() -> None:
    """A bare string below a module's constant is easily taken for a comment on the next constant."""
    below = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files(*PACKAGES, "tests")
        for line in read_source(path).strings_below
    ]
    assert below == []


def test_a_bound_has_the_usual_name() -> None:
    paths = files(*PACKAGES, "tests")
    assert len(paths) > 700
    assert [
        (str(path.relative_to(ROOT)), node.id)
        for path in paths
        if PRIVATE_BOUND.search(read_source(path).text)
        for node in ast.walk(ast.parse(read_source(path).text))
        if isinstance(node, ast.Name) and PRIVATE_BOUND.fullmatch(node.id)
    ] == []


# Verbs that have a textbook name: process, reconcile or finish, consume, collect, prefetch, flush.
BANNED_VERBS = re.compile(r"_*(?:hear|settle|spend|gather|foresee|foreseen|bring_out)(?:_|$)")


def test_a_function_has_no_private_verb() -> None:
    assert {
        (path, each.name) for path, each in functions() if path.startswith("hub/") and BANNED_VERBS.match(each.name)
    } == set()


MAX_UNFORMATTED = 20


def test_certificates_are_loaded_in_one_way() -> None:
    """`cryptography` has an error that is no ValueError; `qianda.certificate_loading` makes it one."""
    call = re.compile(r"\bload_(?:der|pem)_x509_(?:certificates?|crl)\b")
    found = {shown(path) for path in files("hub", "qianda") if call.search(path.read_text(encoding="utf-8"))}
    assert found == {"qianda/certificate_loading.py"}


def test_the_formatter_decides() -> None:
    """The only exceptions are tables."""
    mark = "# fmt: " + "skip"
    found = sum(read_source(path).text.count(mark) for path in files(*PACKAGES, "tests"))
    assert 0 < found <= MAX_UNFORMATTED
