"""Real User-Agent strings, from `user_agents.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

# What people hold, by a name: the variant of the landing page that each gets, and its string.
PEOPLE: dict[str, tuple[str, str]] = {name: (variant, said) for name, (variant, said) in _TABLE["people"].items()}

# What fetches links without anybody having asked it to.
PROGRAMS: tuple[str, ...] = tuple(said for group in _TABLE["programs"].values() for said in group["strings"])
