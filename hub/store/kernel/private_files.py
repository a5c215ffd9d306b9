"""Small files of the data folder that are for our eyes alone: made once, found by later starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hub.store.kernel.durable_files import write_durably


def kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made once and is for our eyes alone."""
    if not path.exists():
        write_private(path, make().encode())
    return path.read_text().strip()


def write_private(path: Path, content: bytes) -> None:
    """All or nothing, readable by us alone, and on the disk afterwards."""
    write_durably(path, content)
