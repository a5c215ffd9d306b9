"""Files by their SHA-256, through obstore: a folder by default, S3 and its like, Azure or Google by address.

A file is written before the transaction that names it commits; one that nothing names is harmless. In a folder it is
on the disk by then; an object store answers only when that is so.
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
        """`address` is a folder (also as `file://…`), or a URL like `s3://bucket/prefix`."""
        if address.startswith("file://"):
            address = url2pathname(urlsplit(address).path)
        if "://" in address:
            return cls(from_url(address))
        folder = Path(address).absolute()
        if not folder.is_dir():
            make_folder(folder)
        return cls(LocalStore(folder), folder)

    async def put(self, content: bytes) -> str:
        """Store and return the SHA-256 in hex. The same content twice is one file."""
        sha256 = hashlib.sha256(content).hexdigest()
        if self._folder is None:
            await self._store.put_async(_path(sha256), content)
        else:
            await asyncio.to_thread(self._write, self._folder / _path(sha256), content)
        return sha256

    def _write(self, path: Path, content: bytes) -> None:
        """Written also where a file of this name is there: after a power cut of an older version it may be empty."""
        if path.parent not in self._durable or not path.parent.is_dir():
            make_folder(path.parent)
            self._durable.add(path.parent)
        write_durably(path, content)

    async def get(self, sha256: str) -> bytes:
        """The content, compared with its hash. Raises UnreadableFile when it is missing or was changed."""
        try:
            result = await self._store.get_async(_path(sha256))
        except (NotFoundError, FileNotFoundError) as error:
            raise UnreadableFile(f"the stored file {sha256} is missing") from error
        content = bytes(await result.bytes_async())
        if hashlib.sha256(content).hexdigest() != sha256:
            raise UnreadableFile(f"the stored file {sha256} was changed")
        return content

    async def delete(self, sha256: str) -> None:
        """What nothing names any more. Where that does not work it stays, which is harmless."""
        try:
            await self._store.delete_async(_path(sha256))
        except (BaseError, OSError) as error:
            log.info("file stays", sha256=sha256, error=repr(error)[:300])


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"
