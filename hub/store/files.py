"""Files by their SHA-256, through obstore: a folder by default, S3 and its like, Azure or Google by address.

A file is written before the transaction that names it commits; one that nothing names is harmless.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore, from_url

from hub.errors import UnreadableFile

log = structlog.get_logger()


class Files:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def at(cls, address: str) -> Files:
        """`address` is a folder, or a URL like `s3://bucket/prefix`."""
        if "://" in address:
            return cls(from_url(address))
        Path(address).mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(LocalStore(address))

    async def put(self, content: bytes) -> str:
        """Store and return the SHA-256 in hex. The same content twice is one file."""
        sha256 = hashlib.sha256(content).hexdigest()
        await self._store.put_async(_path(sha256), content)
        return sha256

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
