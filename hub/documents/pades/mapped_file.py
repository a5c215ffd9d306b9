"""A PDF on the disk as the readers of this engine take it: mapped, so that only what is looked at is read."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from hub.documents.pades.steps import Sha256State

# Read and hashed at once: a mapped file that is hashed where it is would count as memory of the process.
CHUNK_BYTES: Final = 1 << 20


class MappedFile(mmap.mmap):
    """The bytes of a file, with the methods of `bytes` that the readers use. `path`: where it lies."""

    path: Path

    @classmethod
    def of(cls, path: Path) -> Self:
        """Map a file. Raises ValueError for an empty one, OSError."""
        with path.open("rb") as file:
            mapped = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.path = path
        return mapped

    def startswith(self, prefix: bytes, start: int = 0) -> bool:
        return self[start : start + len(prefix)] == prefix

    def endswith(self, suffix: bytes) -> bool:
        return self[-len(suffix) :] == suffix


def hash_file(path: Path) -> Sha256State:
    """Return the SHA-256 that has gone over a file."""
    state = hashlib.sha256()
    for chunk in read_chunks(path):
        state.update(chunk)
    return state


def mentions(path: Path, word: bytes) -> bool:
    """Tell whether these bytes stand anywhere in a file."""
    before = b""
    for chunk in read_chunks(path):
        if word in before + chunk:
            return True
        before = chunk[-len(word) + 1 :]
    return False


def read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
