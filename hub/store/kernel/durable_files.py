"""Files that survive a power cut: written under another name, forced to the disk, then renamed.

`rename` is atomic, but neither a file's content nor its name in a folder is on the disk before `fsync` of the one and
of the other. So whoever comes back finds the whole file or none, and after `write_durably` the whole one.
"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

PRIVATE = 0o600


def write_durably(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Write or replace a file in a folder that is durable itself."""
    fresh = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and what is missing above it, so that its name lasts. One that is there may just have been made by
    another process, which has not come to force it to the disk: so that is done here as well."""
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
