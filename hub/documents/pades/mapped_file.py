"""Map a PDF on the disk into memory for the readers of this engine, so that only the parts they look at are read."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from hub.content_hash import Sha256State

# Bytes read and hashed at a time. Hashing the mapping itself would make the whole file count as the process's memory.
CHUNK_BYTES: Final = 1 << 20


class MappedFile(mmap.mmap):
    """The bytes of a file, with the methods of `bytes` that the readers use. `path`: the file."""

    path: Path

    @classmethod
    def of(cls, path: Path) -> Self:
        """Map a file. Raises OSError, and ValueError for an empty file."""
        with path.open("rb") as file:
            mapped = cls(file.fileno(), 0, access=mmap.ACCESS_READ)
        mapped.path = path
        return mapped

    def startswith(self, prefix: bytes, start: int = 0) -> bool:
        return self[start : start + len(prefix)] == prefix

    def endswith(self, suffix: bytes) -> bool:
        return self[-len(suffix) :] == suffix


def hash_file(path: Path) -> Sha256State:
    """Return a SHA-256 that has hashed the whole file."""
    state = hashlib.sha256()
    for chunk in read_chunks(path):
        state.update(chunk)
    return state


def mentions(path: Path, word: bytes) -> bool:
    """Return whether these bytes occur anywhere in a file."""
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
