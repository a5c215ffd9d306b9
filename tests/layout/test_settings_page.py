"""The page for operators names every setting, in the row of its section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from hub.settings import Settings
from tests.checkout import ROOT

# Sections whose row describes its keys, which are those of another file or too many to repeat.
DESCRIBED = {"budgets", "offices", "reminders"}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections in a field's type: itself, or inside a list or table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def settings_of(model: type[BaseModel]) -> set[str]:
    """Return the names of a section's settings, with those of the sections inside it."""
    found = set()
    for name, field in model.model_fields.items():
        inner = [each for each in models_in(field.annotation) if each is not model]
        found |= {name} if not inner else set().union(*map(settings_of, inner))
    return found


def rows() -> dict[str, str]:
    """Return the rows of "Every setting" by the names of sections in their first cell; rows at the top under ""."""
    page = (ROOT / "docs/operating.md").read_text("utf-8")
    table = page.partition("### Every setting")[2].partition("\n### ")[0]
    found: dict[str, str] = {}
    for line in re.findall(r"^\| .*\|$", table, re.M)[1:]:
        for section in re.findall(r"`\[+(\w+)", line.split("|")[1]) or [""]:
            found[section] = found.get(section, "") + line
    return found


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_page_for_operators_names_every_setting(name: str) -> None:
    found, sections = rows(), list(models_in(Settings.model_fields[name].annotation))
    if name in DESCRIBED or (not sections and name in found):
        assert f"[{name}]" in found[name] or f"[{name}.NAME]" in found[name]
        return
    wanted, row = (settings_of(sections[0]), found[name]) if sections else ({name}, found[""])
    assert [each for each in sorted(wanted) if f"`{each}`" not in row] == []
