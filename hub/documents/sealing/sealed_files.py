"""Write sealed files: the original, followed by the new bytes. A few at a time, so that they are synced together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from hub.model.sealing.seal_fault import CannotSeal, SealFault

COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class Original:
    """The part of the source with which the result begins: this many bytes, with this SHA-256 (hex)."""

    size: int
    sha256: str


NOTHING: Final = Original(0, hashlib.sha256().hexdigest())


@dataclass(frozen=True)
class NewFile:
    """A file to be written: the original, followed by `added`."""

    source: Path
    target: Path
    original: Original
    added: bytes


@dataclass(frozen=True)
class SealedFile:
    """`sha256` of the result (hex) and its size in bytes."""

    sha256: str
    size: int


def write_files(files: Sequence[NewFile]) -> list[SealedFile | CannotSeal]:
    """Write files under temporary names, then sync all of them, then give them their names. If an original is not the
    file that was hashed for the signature, its result is CannotSeal, and nothing is written for it. A target that
    somebody else has written in the meantime stays, and is the result."""
    results: list[SealedFile | CannotSeal] = []
    with ExitStack() as open_files:
        descriptors = []
        written = [_temporary(file.target) for file in files]
        for file, path in zip(files, written, strict=True):
            target = open_files.enter_context(path.open("xb"))
            open_files.callback(path.unlink)
            hashed = hashlib.sha256()
            left = file.original.size
            with file.source.open("rb") as source:
                while left and (chunk := source.read(min(COPY_BYTES, left))):
                    hashed.update(chunk)
                    target.write(chunk)
                    left -= len(chunk)
            if hashed.hexdigest() != file.original.sha256:
                results.append(CannotSeal(SealFault.SOURCE_CHANGED))
                continue
            hashed.update(file.added)
            target.write(file.added)
            target.flush()
            descriptors.append(target.fileno())
            results.append(SealedFile(hashed.hexdigest(), file.original.size + len(file.added)))
        for descriptor in descriptors:
            os.fsync(descriptor)
        for number, (file, path) in enumerate(zip(files, written, strict=True)):
            if isinstance(results[number], SealedFile):
                try:
                    os.link(path, file.target)  # unlike `rename` it never replaces a file
                except FileExistsError:
                    results[number] = _read_sealed(file.target)
    return results


def _temporary(target: Path) -> Path:
    """Return a unique name, because a worker that has lost its lease may still be writing the same file."""
    return target.with_name(f".{target.name}.{uuid4().hex}.part")


def _read_sealed(path: Path) -> SealedFile:
    with path.open("rb") as file:
        return SealedFile(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
