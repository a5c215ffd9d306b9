"""The commands that docs/operating.md names exist, and each command of `qianda` is typed in a test."""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Iterator

from typer.main import get_command

from hub.__main__ import app
from qianda.cli import build
from tests.checkout import ROOT

# What types a command: the method of an operator, or a function of `tests.processes.programs` and `tests.commands`.
TYPING = {"run", "said", "running", "run_command", "Program", "start", "plainly"}
# `qianda seal FILE…` is typed without this name (tests/sealing); tests/bench measure; tests/custody start `agent`.
TYPED_OTHERWISE = {"seal files", "bench", "agent"}


@functools.cache
def all_commands() -> set[str]:
    """Return every command of the server and of the machines of signers: `init`, `seal install`."""
    found: set[str] = set()
    for name, command in (*get_command(app).commands.items(), *get_command(build([])).commands.items()):  # type: ignore[attr-defined]
        inside = getattr(command, "commands", {})
        found |= {f"{name} {each}" for each in inside} or {name}
    return found


def typed_commands() -> Iterator[str]:
    """Yield the first words of everything that tests type, and each pair of words that follow one another there."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Tuple | ast.List):
                yield from _words(node.elts, alone=False)
            elif isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                yield from _words(node.args, alone=name in TYPING)


def _words(nodes: list[ast.expr], *, alone: bool) -> Iterator[str]:
    words = [each.value if isinstance(each, ast.Constant) and isinstance(each.value, str) else None for each in nodes]
    yield from (f"{one} {other}" for one, other in itertools.pairwise(words) if one and other)
    if alone:
        yield from (each for each in words[:2] if each)


def test_every_command_is_typed_in_a_test() -> None:
    known, typed = all_commands(), set(typed_commands())
    assert len(known) > 50 and known - typed - TYPED_OTHERWISE == set()


def test_every_command_that_the_runbook_names_exists() -> None:
    text = (ROOT / "docs" / "operating.md").read_text("utf-8")
    known = all_commands()
    groups = {name.split()[0] for name in known if " " in name}
    named = re.findall(r"(?:^|`|bin/)qianda ([a-z][a-z0-9-]*)(?: ([a-z][a-z0-9-]*))?", text, re.MULTILINE)
    told = {f"{one} {other}" if one in groups and other else one for one, other in named}
    assert len(told) > 30 and told - known - groups == set()
