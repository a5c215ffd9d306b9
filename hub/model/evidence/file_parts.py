"""Find the versions of a document that are the beginning of its current file, and so need no file of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class StoredVersion:
    """A version of a document. `sha256`, `size`: hash and size of its bytes. `file`: SHA-256 of the stored file that
    begins with these bytes; the same as `sha256` if the version has its own file; None if no file is stored, as for a
    draft."""

    id: int
    contract: UUID
    sha256: str
    size: int
    file: str | None

    @property
    def is_whole(self) -> bool:
        return self.file == self.sha256


@dataclass(frozen=True)
class ContractFiles:
    """The stored versions of a contract, oldest first, and SHA-256 of its current document."""

    contract: UUID
    document: str
    versions: Sequence[StoredVersion]

    @property
    def is_sound(self) -> bool:
        """Whether the newest version is the current document and has a file of its own, as it always should."""
        return bool(self.versions) and self.versions[-1].sha256 == self.document and self.versions[-1].is_whole

    @property
    def to_compare(self) -> list[StoredVersion]:
        """The versions that are not yet known to be the beginning of the current file."""
        return [each for each in self.versions if each.sha256 != self.document and each.file != self.document]

    @property
    def superseded(self) -> list[str]:
        """The names of the files that are not needed, because their bytes are the beginning of another file."""
        needed = {each.file for each in self.versions} | {self.document}
        return [each.sha256 for each in self.versions if each.file and each.sha256 not in needed]


def find_beginnings(content: bytes, versions: Iterable[StoredVersion]) -> list[StoredVersion]:
    """Return the versions whose bytes are the beginning of `content`, compared by SHA-256."""
    view = memoryview(content)
    return [
        each
        for each in versions
        if each.size <= len(content) and hashlib.sha256(view[: each.size]).hexdigest() == each.sha256
    ]
