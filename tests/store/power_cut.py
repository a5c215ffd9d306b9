"""A disk that forgets what was not forced to it, as in a power cut.

It records calls of `os.fsync`: a file keeps the content that it had when it was forced, and a folder the names that it
had when it was forced. Everything else is gone, however often it was read back meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class ForgetfulDisk:
    """The disk below the folder `root`, which itself survives."""

    root: Path
    _contents: dict[int, bytes] = field(default_factory=dict)
    _names: dict[int, dict[str, int]] = field(default_factory=dict)
    _kept_open: list[int] = field(default_factory=list)
    """So that no later file gets the number of one that is gone."""

    def forced(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self.root):
            return
        self._kept_open.append(os.dup(descriptor))
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            self._names[status.st_ino] = {each.name: each.stat().st_ino for each in path.iterdir()}
        else:
            self._contents[status.st_ino] = path.read_bytes()

    def after_power_cut(self) -> dict[str, bytes]:
        """Return what is left: path below the root → content. A file whose name was forced and whose content was not is
        empty."""
        return dict(self._below(self.root.stat().st_ino, ""))

    def _below(self, folder: int, path: str) -> Iterator[tuple[str, bytes]]:
        for name, number in self._names.get(folder, {}).items():
            if number in self._names:
                yield from self._below(number, f"{path}{name}/")
            else:
                yield f"{path}{name}", self._contents.get(number, b"")

    def close(self) -> None:
        for descriptor in self._kept_open:
            os.close(descriptor)


@contextmanager
def forgetful_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForgetfulDisk]:
    disk = ForgetfulDisk(root.resolve())
    really = os.fsync

    def fsync(descriptor: int) -> None:
        really(descriptor)
        disk.forced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    try:
        yield disk
    finally:
        monkeypatch.undo()
        disk.close()


def put_back(folder: Path, left: Mapping[str, bytes]) -> None:
    for path, content in left.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
