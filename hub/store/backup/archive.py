"""The members of a backup, as a tar stream. Each manifest names the members before it, with size and SHA-256.

A manifest comes after every few thousand members, so that writer and reader need to remember only these. The last
manifest says that it is the last.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

from hub.errors import UnreadableFile
from hub.store.backup.sealed_stream import OpeningReader, SealingWriter

ABOUT = "about.json"
DATABASE = "database/"
# The most members that one manifest names.
MAX_NAMED = 5000
MAX_MANIFEST_BYTES = 4 << 20
MAX_ABOUT_BYTES = 64 << 10
COPY_BYTES = 1 << 20
# The allowed names of members: paths in one of the folders, or one of the single files.
NAMES = re.compile(
    r"about\.json|manifest/\d{8}|database/\d{8}|installation\.id|qianda\.toml"
    r"|(files|token|authority|trust|keys|templates)(/(?!\.{1,2}(/|\Z))[^/\0]{1,255}){1,8}"
)
BROKEN = "the backup is not as it was written"


@dataclass(frozen=True)
class Member:
    name: str
    content: IO[bytes]


class ArchiveWriter:
    """A writer of members, one after the other. The archive is valid only after `finish`."""

    def __init__(self, stream: SealingWriter) -> None:
        self._stream = stream
        # `finish` closes it. After an error it must not be closed, because that would write a valid end.
        self._tar = tarfile.open(fileobj=cast(IO[bytes], stream), mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._named: list[tuple[str, int, str]] = []
        self._manifests = 0

    def add(self, name: str, size: int, content: IO[bytes]) -> None:
        """Add a member of exactly `size` bytes. Raises OSError if the content is shorter."""
        if not NAMES.fullmatch(name):
            raise ValueError(f"no member of a backup can be called {name!r}")
        self._named.append((name, size, self._put(name, size, content)))
        if len(self._named) >= MAX_NAMED:
            self._write_manifest(last=False)

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, len(content), io.BytesIO(content))

    def finish(self) -> None:
        self._write_manifest(last=True)
        self._tar.close()
        self._stream.finish()

    def _put(self, name: str, size: int, content: IO[bytes]) -> str:
        header = tarfile.TarInfo(name)
        header.size, header.mode = size, 0o600
        hashed = _HashedContent(content)
        self._tar.addfile(header, cast(IO[bytes], hashed))
        self._tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a million members in memory
        return hashed.digest.hexdigest()

    def _write_manifest(self, *, last: bool) -> None:
        content = json.dumps({"members": self._named, "last": last}).encode()
        self._put(f"manifest/{self._manifests:08}", len(content), io.BytesIO(content))
        self._manifests += 1
        self._named = []


class _HashedContent:
    """A file whose content is hashed while it is read."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._content.read(size)
        self.digest.update(content)
        return content


def read_members(stream: OpeningReader) -> Iterator[Member]:
    """Yield the members in the order in which they were written. Each has to be read to its end before the next.

    When the iterator ends, the whole archive is verified. Raises UnreadableFile at the first difference.
    """
    try:
        yield from _checked_members(stream)
    except (tarfile.TarError, OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFile(f"{BROKEN}: {error}") from error


def _checked_members(stream: OpeningReader) -> Iterator[Member]:
    seen: list[list[Any]] = []
    manifests, ended = 0, False
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r|") as tar:
        while header := tar.next():
            tar.members.clear()  # type: ignore[attr-defined]  # as in the writer
            content = tar.extractfile(header) if header.isreg() else None
            if ended or content is None or not NAMES.fullmatch(header.name):
                raise UnreadableFile(f"{BROKEN}: {header.name!r} does not belong there")
            if header.name.startswith("manifest/"):
                ended = _compare(header, content, manifests, seen)
                manifests, seen = manifests + 1, []
                continue
            if len(seen) >= MAX_NAMED:
                raise UnreadableFile(f"{BROKEN}: a manifest is missing")
            hashed = _HashedContent(content)
            yield Member(header.name, cast(IO[bytes], hashed))
            if hashed.read(1):
                raise ValueError("a member was not read to its end")
            seen.append([header.name, header.size, hashed.digest.hexdigest()])
    if not ended:
        raise UnreadableFile(f"{BROKEN}: the last manifest is missing")
    while rest := stream.read(COPY_BYTES):
        if rest.strip(b"\0"):
            raise UnreadableFile(f"{BROKEN}: something follows its end")


def _compare(header: tarfile.TarInfo, content: IO[bytes], number: int, seen: list[list[Any]]) -> bool:
    """Compare a manifest with the members before it. Return whether it is the last one."""
    if header.name != f"manifest/{number:08}" or header.size > MAX_MANIFEST_BYTES:
        raise UnreadableFile(f"{BROKEN}: a manifest is missing")
    manifest = json.loads(content.read())
    if manifest["members"] != seen:
        raise UnreadableFile(f"{BROKEN}: its manifest names other members")
    return manifest["last"] is True
