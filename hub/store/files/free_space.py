"""How much space is left on the file systems that the hub writes to, and how a full one is reported."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hub.errors import DiskFull

# Space is low if it is less than both. Some thousand contracts fit into a gigabyte.
_LOW_BYTES, _LOW_SHARE = 2 << 30, 0.1
# The file system is full, or the quota of our account is used up.
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class DiskSpace:
    """Space of the file system that `folder` is on, in bytes. `free`: what is left for our account."""

    folder: Path
    free: int
    total: int

    @property
    def is_low(self) -> bool:
        return self.free < min(_LOW_BYTES, self.total * _LOW_SHARE)

    def __str__(self) -> str:
        return f"{self.free / (1 << 30):,.1f} / {self.total / (1 << 30):,.1f} GB ({self.folder})"


def find_space(folders: Iterable[Path | None]) -> list[DiskSpace]:
    """Return the space of each file system that these folders are on, once each. Raises OSError."""
    found: dict[int, DiskSpace] = {}
    for folder in filter(None, folders):
        space = os.statvfs(folder)
        sizes = space.f_bavail * space.f_frsize, space.f_blocks * space.f_frsize
        found.setdefault(folder.stat().st_dev, DiskSpace(folder, *sizes))
    return list(found.values())


def is_full(error: OSError) -> bool:
    return error.errno in _FULL


@contextmanager
def explain_full_disk() -> Iterator[None]:
    """Raise DiskFull in place of the system's error if something does not fit on the disk inside the block."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise DiskFull("no space is left for files") from error
        raise
