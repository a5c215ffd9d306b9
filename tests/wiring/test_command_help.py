"""The help of each command has the whole text of its options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from qianda.cli import build

WIDE = 2000


def commands(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command below this one, with the words that call it."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, *path, name)


def test_the_help_leaves_out_no_text_of_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    app = get_command(build([]))
    defaults = 0
    for path, command in commands(app):
        app.main([*path, "--help"], terminal_width=WIDE, standalone_mode=False)
        shown = " ".join(capsys.readouterr().out.split())
        for text in (each.help for each in command.params if getattr(each, "help", None)):
            assert text in shown, path
            defaults += "[default:" in text
    assert defaults > 20
