"""Files named by their SHA-256, stored with obstore: in a folder by default, or at a URL in S3, Azure or Google.

A file is written before the commit of the transaction that names it. So there may be files that no row names; they are
harmless, and `list_old` finds them. `put` returns when the file is on the disk, or when the object store has confirmed.

Content that is the beginning of a later file needs no file of its own (`FilePart`), nor does content that consists of
pieces of other files (`JoinedFile`). `get` reads all of these.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from hub.content_hash import hash_content
from hub.durable_files import make_folder, write_durably
from hub.errors import FilesUnavailable, StoredFileUnreadable
from hub.store.files.free_space import explain_full_disk

# The folders of the store: the first two digits of the names in them.
FOLDERS = tuple(f"{number:02x}" for number in range(256))
_NAME = re.compile(r"[0-9a-f]{64}")
# The name of a temporary file that `write_durably` leaves behind if its process dies.
_HALF_WRITTEN = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{32}")
# Threads of each store that read and write files. No other work uses them, so a slow disk delays nothing else.
DISK_THREADS = 8
# The most retries of one call to an object store, and the most time for them. The caller tries again later anyway.
RETRIES, RETRY_TIMEOUT = 3, timedelta(seconds=20)
log = structlog.get_logger()


@contextmanager
def _explain_outage(*, needs_file: bool = False) -> Iterator[None]:
    """Raise FilesUnavailable in place of an error of the store, except for a full disk. `needs_file`: the block needs a
    certain file, so the error about a missing file is raised as it is. Otherwise, only the bucket or folder can be
    missing."""
    try:
        yield
    except (BaseError, OSError) as error:
        if needs_file and isinstance(error, (NotFoundError, FileNotFoundError)):
            raise
        raise FilesUnavailable(f"{type(error).__name__}: {error}"[:300]) from error


@dataclass(frozen=True)
class FilePart:
    """Content that is the beginning of a stored file: the first `size` bytes of `file` have this SHA-256."""

    sha256: str
    size: int
    file: str


@dataclass(frozen=True)
class FilePiece:
    """A piece of the content with the SHA-256 `file`: `length` bytes from `start`."""

    file: str
    start: int
    length: int


@dataclass(frozen=True)
class JoinedFile:
    """Content that consists of these pieces, one after the other."""

    sha256: str
    pieces: Sequence[FilePiece]


@dataclass(frozen=True)
class FoundFile:
    """A file as the store lists it. `path`: its path in the store; `sha256`: its name, None for a half-written file."""

    path: str
    sha256: str | None
    size: int


FindPart = Callable[[str], Awaitable[FilePart | JoinedFile | None]]


class Files:
    """The stored files. `folder`: where they are, None for an object store. `find_part`: returns where content
    without a file of its own is, by its SHA-256."""

    def __init__(self, store: ObjectStore, folder: Path | None = None, find_part: FindPart | None = None) -> None:
        self._store = store
        self.folder = folder
        self._find_part = find_part
        self._durable: set[Path] = set()
        """Folders below ours whose names are known to be on the disk."""
        self._threads = ThreadPoolExecutor(DISK_THREADS, "disk")

    @classmethod
    def at(cls, address: str, find_part: FindPart | None = None) -> Files:
        """Open a store. `address`: a folder (also as `file://…`), or a URL like `s3://bucket/prefix`."""
        if address.startswith("file://"):
            address = url2pathname(urlsplit(address).path)
        if "://" in address:
            store = from_url(address, retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_TIMEOUT})
            return cls(store, find_part=find_part)
        folder = Path(address).absolute()
        if not folder.is_dir():
            make_folder(folder)
        return cls(LocalStore(folder), folder, find_part)

    async def put(self, content: bytes) -> str:
        """Store the content and return its SHA-256 (hex). The same content gives the same file. Raises DiskFull,
        FilesUnavailable."""
        sha256 = hash_content(content).hexdigest()
        if self.folder is None:
            with _explain_outage():
                await self._store.put_async(_path(sha256), content)
        else:
            with _explain_outage(), explain_full_disk():
                await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._write, self.folder / _path(sha256), content
                )
        return sha256

    def _write(self, path: Path, content: bytes) -> None:
        """Write the file even if it exists, so that a damaged one is repaired."""
        if path.parent not in self._durable or not path.parent.is_dir():
            make_folder(path.parent)
            self._durable.add(path.parent)
        write_durably(path, content)

    async def get(self, sha256: str) -> bytes:
        """Return the content with this SHA-256: a whole file, the beginning of a file, or pieces of several files.

        Raises StoredFileUnreadable if it is missing or was changed, FileErased if it was erased with a person,
        FilesUnavailable if the store does not answer. Opens a transaction of its own if there is no such file.
        """
        try:
            content = await self._read(_path(sha256))
        except (NotFoundError, FileNotFoundError) as error:
            part = await self._find_part(sha256) if self._find_part else None
            if isinstance(part, JoinedFile):
                return await self.join(part)
            if part is None or part.file == sha256:
                raise StoredFileUnreadable(f"the stored file {sha256} is missing") from error
            return await self.get_part(part)
        if hash_content(content).hexdigest() != sha256:
            raise StoredFileUnreadable(f"the stored file {sha256} was changed")
        return content

    async def _read(self, path: str) -> bytes:
        """Return a file of the store. In a folder it is read without obstore, whose threads take four times the CPU."""
        with _explain_outage(needs_file=True):
            if self.folder is not None:
                return await asyncio.get_running_loop().run_in_executor(self._threads, (self.folder / path).read_bytes)
            return bytes(await (await self._store.get_async(path)).bytes_async())

    async def get_part(self, part: FilePart) -> bytes:
        """Return the beginning of a file after checking its hash. Raises StoredFileUnreadable."""
        try:
            with _explain_outage(needs_file=True):
                content = bytes(await self._store.get_range_async(_path(part.file), start=0, length=part.size))
        except (NotFoundError, FileNotFoundError) as error:
            raise StoredFileUnreadable(
                f"the stored file {part.file} is missing, which begins with {part.sha256}"
            ) from error
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise StoredFileUnreadable(f"the stored file {part.file} was changed: it does not begin with {part.sha256}")
        return content

    async def join(self, joined: JoinedFile) -> bytes:
        """Return the content, joined from its pieces. Raises StoredFileUnreadable."""
        contents = {file: await self.get(file) for file in dict.fromkeys(piece.file for piece in joined.pieces)}
        content = b"".join(contents[each.file][each.start : each.start + each.length] for each in joined.pieces)
        if hashlib.sha256(content).hexdigest() != joined.sha256:
            raise StoredFileUnreadable(f"the pieces of {joined.sha256} were changed")
        return content

    async def get_size(self, sha256: str) -> int:
        """Return the size of a file in bytes, 0 if there is no file of this name. Raises FilesUnavailable."""
        try:
            with _explain_outage(needs_file=True):
                return int((await self._store.head_async(_path(sha256)))["size"])
        except (NotFoundError, FileNotFoundError):
            return 0

    async def list_old(self, folder: str, before: datetime) -> AsyncIterator[list[FoundFile]]:
        """Yield the files of one of FOLDERS that were last written before this moment, in batches.

        Only files that this class has written are returned. Other files in the folder belong to somebody else. Raises
        FilesUnavailable.
        """
        with _explain_outage():
            async for some in self._store.list(folder):
                old = [each for each in some if each["last_modified"] < before]
                found = [_found(each["path"], each["size"]) for each in old]
                yield [each for each in found if each is not None]

    async def erase(self, sha256: str) -> None:
        """Delete a file whose content must not stay. Raises FilesUnavailable if it stays."""
        if not await self.delete_found(_path(sha256)):
            raise FilesUnavailable(f"the stored file {sha256} could not be deleted")

    async def delete(self, sha256: str) -> None:
        """Delete a file that no row names any more. If that fails, the file stays, which is harmless."""
        await self.delete_found(_path(sha256))

    async def delete_found(self, path: str, before: datetime | None = None) -> bool:
        """Delete the file found at `path`, and return whether it is gone.

        `before`: delete it only if it was last written before this moment. The same content may have been stored, and
        so written, again since the file was found.
        """
        try:
            if before is None or (await self._store.head_async(path))["last_modified"] < before:
                await self._store.delete_async(path)
                return True
        except (NotFoundError, FileNotFoundError):  # another process was faster
            return True
        except (BaseError, OSError) as error:
            log.info("file stays", path=path, error=repr(error)[:300])
        return False


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _found(path: str, size: int) -> FoundFile | None:
    name = path.rpartition("/")[2]
    if _NAME.fullmatch(name):
        return FoundFile(path, name, size)
    return FoundFile(path, None, size) if _HALF_WRITTEN.fullmatch(name) else None
