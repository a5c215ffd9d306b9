"""Google's list of revoked attestation keys: JSON, `{"entries": {"<serial in hex>": {"status": "REVOKED", …}}}`.

A list is used for an hour. If the next one cannot be fetched, it is used until it is a week old. After that, or if
there never was a list, no key can be called good, and keys are not attested.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from hub.attestations import AttestationContext
from hub.bounded_read import read_limited
from hub.rest_mapping import NotServed

FRESH: Final = timedelta(hours=1)
STALE: Final = timedelta(days=7)
MAX_LIST_BYTES: Final = 16 * 1024 * 1024
UNKNOWN, REVOKED = "status-unknown", "revoked"


class StatusList:
    def __init__(self, url: str, file: Path | None, deadline: float, context: AttestationContext) -> None:
        self._url, self._file, self._deadline, self._context = url, file, deadline, context
        self._entries: Mapping[str, Any] = {}
        self._read_at: datetime | None = None

    async def of(self, serials: Iterable[int]) -> str | None:
        """Return what speaks against the serials, in one word; None if all are good, or if no list is configured."""
        if not self._url and self._file is None:
            return None
        entries = await self._current()
        if entries is None:
            return UNKNOWN
        # Every entry (REVOKED, SUSPENDED, and statuses to come) means that the key is not good.
        return REVOKED if any(f"{serial:x}" in entries for serial in serials) else None

    async def _current(self) -> Mapping[str, Any] | None:
        now = self._context.clock()
        age = now - self._read_at if self._read_at else STALE
        if age >= FRESH:
            try:
                text = await (self._fetched() if self._url else asyncio.to_thread(self._from_file))
                self._entries, self._read_at, age = _entries(text), now, timedelta(0)
            except (aiohttp.ClientError, OSError, ValueError, RecursionError, NotServed):
                pass  # the age of the last list decides
        return self._entries if age < STALE else None

    def _from_file(self) -> bytes:
        assert self._file is not None
        return self._file.read_bytes()

    async def _fetched(self) -> bytes:
        async with asyncio.timeout(self._deadline), self._context.http.get(self._url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise NotServed(f"HTTP {answer.status}")
            return await read_limited(answer.content, MAX_LIST_BYTES, NotServed)


def _entries(text: bytes) -> Mapping[str, Any]:
    """Return the entries by serial number in lower-case hex. Raises ValueError."""
    whole = json.loads(text)
    entries = whole.get("entries") if isinstance(whole, dict) else None
    if not isinstance(entries, dict):
        raise ValueError("the list has no entries")
    return {str(serial).lower().lstrip("0") or "0": entry for serial, entry in entries.items()}
