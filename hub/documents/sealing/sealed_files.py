"""Write sealed files: the original, followed by the new bytes. A few at a time, so that they are synced together."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
    """Write files under temporary names, then sync all of them, then rename them. If an original is not the file that
    was hashed for the signature, its result is CannotSeal, and nothing is written for it."""
    results: list[SealedFile | CannotSeal] = []
    with ExitStack() as open_files:
        descriptors = []
        for file in files:
            target = open_files.enter_context(_temporary(file.target).open("wb"))
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
    for file, result in zip(files, results, strict=True):
        if isinstance(result, SealedFile):
            _temporary(file.target).replace(file.target)
        else:
            _temporary(file.target).unlink()
    return results


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")
