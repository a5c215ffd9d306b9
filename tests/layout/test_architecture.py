"""ARCHITECTURE.md names files that exist, and functions that are in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = {"channels", "chats", "qianda", "templates", "tests", "bench", "hub", "docs", "install", "deploy"}
# Placeholders for a name that the reader chooses.
CHOSEN = re.compile(r"NAME|ROOM|VERB|NOUN|NNNN|\bID\b")
# A file in backticks, and the names in backticks that follow it.
FILE_WITH_NAMES = re.compile(r"`((?:\w+/)*\w+\.py)`((?:,? `(?:[A-Z]\w+\.)?\w+`(?! in `))*)")


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
