"""Small private files of the data folder, created once and read at later starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.store.kernel.durable_files import write_durably


def kept(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a private file. If there is no such file, create it with the result of `make`."""
    if not path.exists():
        write_private(path, make().encode())
    return path.read_text().strip()


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically and durably, so that only its owner can read it."""
    write_durably(path, content)
