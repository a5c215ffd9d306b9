"""Small files of the data folder that are for our eyes alone: made once, found by later starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made once and is for our eyes alone."""
    if not path.exists():
        write_private(path, make().encode())
    return path.read_text().strip()


def write_private(path: Path, content: bytes) -> None:
    """All or nothing, readable by us alone."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    fresh.rename(path)
