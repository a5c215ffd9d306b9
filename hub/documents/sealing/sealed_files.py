"""Write sealed files: the original, followed by the new bytes. Several at a time, so that they are synced together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final
from uuid import uuid4

from hub.model.sealing.seal_fault import CannotSeal, SealFault

COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class SourceStart:
    """The part of the source with which the result begins: this many bytes, with this SHA-256 (hex)."""

    size: int
    sha256: str


NOTHING: Final = SourceStart(0, hashlib.sha256().hexdigest())


@dataclass(frozen=True)
class NewFile:
    """A file to be written: the original, followed by `added`."""

    source: Path
    target: Path
    original: SourceStart
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
    written: list[tuple[NewFile, Path, BinaryIO, SealedFile | CannotSeal]] = []
    with ExitStack() as open_files:
        for file in files:
            path = _temporary(file.target)
            opened = open_files.enter_context(path.open("xb"))
            open_files.callback(path.unlink)
            written.append((file, path, opened, _write(file, opened)))
        for _, _, target, result in written:
            if isinstance(result, SealedFile):
                os.fsync(target.fileno())
        return [_give_name(file, path, result) for file, path, _, result in written]


def _write(file: NewFile, opened: BinaryIO) -> SealedFile | CannotSeal:
    """Copy the original, and append the new bytes, unless the original is not the file that was hashed."""
    hashed, left = hashlib.sha256(), file.original.size
    with file.source.open("rb") as source:
        while left and (chunk := source.read(min(COPY_BYTES, left))):
            hashed.update(chunk)
            opened.write(chunk)
            left -= len(chunk)
    if hashed.hexdigest() != file.original.sha256:
        return CannotSeal(SealFault.SOURCE_CHANGED)
    hashed.update(file.added)
    opened.write(file.added)
    opened.flush()
    return SealedFile(hashed.hexdigest(), file.original.size + len(file.added))


def _give_name(file: NewFile, path: Path, result: SealedFile | CannotSeal) -> SealedFile | CannotSeal:
    """Give a written file the name of its target. If the target exists, return that instead."""
    if isinstance(result, SealedFile):
        try:
            os.link(path, file.target)  # unlike `rename` it never replaces a file
        except FileExistsError:
            return _read_sealed(file.target)
    return result


def _temporary(target: Path) -> Path:
    """Return a unique name, because a worker that has lost its lease may still be writing the same file."""
    return target.with_name(f".{target.name}.{uuid4().hex}.part")


def _read_sealed(path: Path) -> SealedFile:
    with path.open("rb") as file:
        return SealedFile(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
