"""Real User-Agent strings, from `user_agents.toml`."""

from __future__ import annotations

import tomllib
from pathlib import Path

_TABLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

# Browsers that people use, by name: the variant of the landing page for each, and its string.
PEOPLE: dict[str, tuple[str, str]] = {name: (variant, said) for name, (variant, said) in _TABLE["people"].items()}

# Programs that fetch links without being asked to.
PROGRAMS: tuple[str, ...] = tuple(said for group in _TABLE["programs"].values() for said in group["strings"])
