"""Fetch files from object stores of other systems, and put files there: S3 and compatibles, Azure, Google, a folder.

No large file is held in memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from obstore import Bytes
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError
from obstore.store import ObjectStore, from_url

from hub.errors import StoreDenied, StoreUnavailable

# The timeout of one request, which may transfer a large file.
REQUEST_TIMEOUT: Final = "300s"
CONNECT_TIMEOUT: Final = "10s"
LISTED_AT_ONCE: Final = 1_000
# An object up to this size is fetched as one piece.
MAX_HELD_BYTES: Final = 4 << 20
# A larger one is fetched in chunks of this size, and sent in a few parts of 5 MB at a time.
CHUNK_BYTES: Final = 1 << 20
MAX_PARTS: Final = 2


@dataclass(frozen=True)
class FoundObject:
    key: str
    size: int


class ObjectPlace:
    """One configured store. Every method raises StoreUnavailable if the store does not answer, or refuses us.

    `clients`: the names of the API keys that may have files read from it and written to it.
    """

    def __init__(self, url: str, options: Mapping[str, str], clients: Iterable[str]) -> None:
        self._url, self._options, self.clients = url, dict(options), frozenset(clients)
        self._opened: ObjectStore | None = None

    async def list_objects(self, prefix: str) -> AsyncIterator[list[FoundObject]]:
        """Yield the objects below a prefix, in batches, without folders."""
        try:
            async for some in self._store.list(prefix or None, chunk_size=LISTED_AT_ONCE):
                yield [FoundObject(each["path"], each["size"]) for each in some]
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    async def fetch(self, key: str, path: Path) -> str | None:
        """Write an object into a file. Return its SHA-256 (hex), or None if there is no such object. Raises StoreDenied
        if it is refused."""
        try:
            result = await self._store.get_async(key)
            if result.meta["size"] <= MAX_HELD_BYTES:
                return await asyncio.to_thread(_write, path, await result.bytes_async())
            hashed = hashlib.sha256()
            with path.open("wb") as file:
                async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
                    hashed.update(chunk)
                    file.write(chunk)
        except (NotFoundError, FileNotFoundError):
            return None
        except PermissionDeniedError as error:
            raise StoreDenied(key) from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error
        return hashed.hexdigest()

    async def put(self, key: str, path: Path) -> None:
        """Store a file under a key. An existing object is replaced as a whole. Raises StoreDenied if it is refused."""
        try:
            await self._store.put_async(key, path, max_concurrency=MAX_PARTS)
        except PermissionDeniedError as error:
            raise StoreDenied(key) from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable(type(error).__name__) from error

    @property
    def _store(self) -> ObjectStore:
        if self._opened is None:
            client: Any = {"timeout": REQUEST_TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
            allowed = {"allow_http": "true"} if self._options.get("allow_http") == "true" else {}
            options: Any = {name: value for name, value in self._options.items() if name != "allow_http"}
            if self._url.startswith("file://"):
                self._opened = from_url(self._url)
            else:
                self._opened = from_url(self._url, config=options, client_options=client | allowed)
        return self._opened


def _write(path: Path, content: Bytes) -> str:
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
