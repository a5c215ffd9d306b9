"""Write files that survive a power cut: under a temporary name, synced to the disk, then renamed.

`rename` is atomic, but a file's content and its name are on the disk only after `fsync` of the file and of its folder.
So after a crash, a file is complete or missing; once `write_durably` has returned, it is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

PRIVATE = 0o600


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a private file. If there is no such file, create it with the result of `make`."""
    if not path.exists():
        write_durably(path, make().encode())
    return path.read_text().strip()


def write_durably(path: Path, content: bytes) -> None:
    """Write or replace a private file in a folder that is already synced to the disk."""
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder and the missing ones above it, and sync them to the disk.

    An existing folder is synced too, because another process may just have made it and not synced it yet.
    """
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
