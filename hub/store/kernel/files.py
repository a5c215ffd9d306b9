"""Files named by their SHA-256, stored with obstore: in a folder by default, or at a URL in S3, Azure or Google.

A file is written before the commit of the transaction that names it, so a file may exist that no row names, which is
harmless. `put` returns when the file is on the disk, or when the object store has answered.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from hub.errors import UnreadableFile
from hub.store.kernel.durable_files import make_folder, write_durably

log = structlog.get_logger()


class Files:
    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder
        self._durable: set[Path] = set()
        """Folders below ours whose names are known to be on the disk."""

    @classmethod
    def at(cls, address: str) -> Files:
        """Open a store. `address`: a folder (also as `file://…`), or a URL like `s3://bucket/prefix`."""
        if address.startswith("file://"):
            address = url2pathname(urlsplit(address).path)
        if "://" in address:
            return cls(from_url(address))
        folder = Path(address).absolute()
        if not folder.is_dir():
            make_folder(folder)
        return cls(LocalStore(folder), folder)

    async def put(self, content: bytes) -> str:
        """Store the content and return its SHA-256 (hex). The same content gives the same file."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self._folder is None:
            await self._store.put_async(_path(sha256), content)
        else:
            await asyncio.to_thread(self._write, self._folder / _path(sha256), content)
        return sha256

    def _write(self, path: Path, content: bytes) -> None:
        """Write the file even if there is one of this name: a power cut in an older version may have left it empty."""
        if path.parent not in self._durable or not path.parent.is_dir():
            make_folder(path.parent)
            self._durable.add(path.parent)
        write_durably(path, content)

    async def get(self, sha256: str) -> bytes:
        """Return the content after checking its hash. Raises UnreadableFile if the file is missing or was changed."""
        try:
            result = await self._store.get_async(_path(sha256))
        except (NotFoundError, FileNotFoundError) as error:
            raise UnreadableFile(f"the stored file {sha256} is missing") from error
        content = bytes(await result.bytes_async())
        if hashlib.sha256(content).hexdigest() != sha256:
            raise UnreadableFile(f"the stored file {sha256} was changed")
        return content

    async def delete(self, sha256: str) -> None:
        """Delete a file that no row names any more. If that fails, the file stays, which is harmless."""
        try:
            await self._store.delete_async(_path(sha256))
        except (BaseError, OSError) as error:
            log.info("file stays", sha256=sha256, error=repr(error)[:300])


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"
