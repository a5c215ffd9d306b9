"""ARCHITECTURE.md names files that exist, and functions that are in them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = {"channels", "chats", "qianda", "templates", "tests", "bench", "hub", "docs", "install", "deploy"}
# Placeholders for a name that the reader chooses.
CHOSEN = re.compile(r"NAME|ROOM|VERB|NOUN|NNNN|\bID\b")
# A file in backticks, and the names in backticks that follow it.
FILE_WITH_NAMES = re.compile(r"`((?:\w+/)*\w+\.py)`((?:,? `(?:[A-Z]\w+\.)?\w+`(?! in `))*)")

# A method with its class, and further ones of the same class.
METHODS = re.compile(r"`([A-Z]\w+)\.(\w+)`((?:, `[a-z]\w+`)*)")


def located(path: str) -> list[Path]:
    """Return the files that a path in the text can mean. A file without a folder is found by its name."""
    base = ROOT if path.split("/", maxsplit=1)[0] in TOP else ROOT / "hub"
    if (base / path).is_file():
        return [base / path]
    return [] if "/" in path else [*(ROOT / "hub").rglob(path), *(ROOT / "tests").rglob(path)]


def named() -> list[tuple[str, list[str]]]:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    found = [(path, re.findall(r"`(?:[A-Z]\w+\.)?(\w+)`", names)) for path, names in FILE_WITH_NAMES.findall(text)]
    return [(path, names) for path, names in found if not CHOSEN.search(path)]


def test_the_files_exist() -> None:
    assert len(named()) > 80
    assert [path for path, _ in named() if not located(path)] == []


def test_the_functions_stand_in_the_files() -> None:
    missing = [
        f"{path}: {name}"
        for path, names in named()
        for name in names
        if not any(re.search(rf"\b{name}\b", file.read_text("utf-8")) for file in located(path))
    ]
    assert missing == []


def test_the_methods_stand_in_their_classes() -> None:
    members: dict[str, set[str]] = {}
    for file in (ROOT / "hub").rglob("*.py"):
        for found in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(found, ast.ClassDef):
                names = {each.id for each in ast.walk(found) if isinstance(each, ast.Name)}
                methods = {each.name for each in found.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
                members.setdefault(found.name, set()).update(names | methods)
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named_methods = [
        (kind, method) for kind, first, more in METHODS.findall(text) for method in [first, *re.findall(r"\w+", more)]
    ]
    assert len(named_methods) > 50
    assert [each for each in named_methods if each[1] not in members.get(each[0], ())] == []
