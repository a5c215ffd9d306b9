"""Limit the check page, per address and in total: uploads, disk space, waiting files, child processes.

A file enters the queue only after it was received completely, so slow uploads do not block others. Each address may
have one check at a time (this machine itself two), so an address with many expensive files delays only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from hub.errors import ManyChecks, ManyFiles, UploadTooSlow

MAX_FILE_BYTES = 20 << 20
# The most child processes at a time.
MAX_CHECKS = 2
# The most received files that wait for a child process.
MAX_WAITING = 20
# The most files of one address that are uploaded or checked at a time. Clients behind a proxy that does not name them
# count as this machine.
MAX_FILES, MAX_FILES_OF_THIS_MACHINE = 8, 16
# The most bytes on the disk at a time, for one address and in total.
MAX_BYTES_OF_ONE, MAX_BYTES = 2 * MAX_FILE_BYTES, 20 * MAX_FILE_BYTES
# Each 32 KB of a file, and its end, must arrive within 8 seconds: at least 4 KB a second.
BLOCK, BLOCK_TIMEOUT = 32 << 10, 8.0
UPLOAD_TIMEOUT = 120.0
RETRY_AFTER = timedelta(minutes=1)


@dataclass
class _AddressUse:
    """Resources used by one address."""

    max_files: int
    checks: asyncio.Semaphore
    files: int = 0
    size: int = 0


@dataclass
class Upload:
    """One upload."""

    limits: UploadLimits
    share: _AddressUse
    size: int = 0
    _missing: int = BLOCK
    _timeout: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(BLOCK_TIMEOUT))

    @contextlib.asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Limit the time of each block and of the whole upload. Raises UploadTooSlow."""
        try:
            async with asyncio.timeout(UPLOAD_TIMEOUT), self._timeout:
                yield
        except TimeoutError:
            raise UploadTooSlow(retry_after=RETRY_AFTER) from None

    def arrived(self, size: int) -> None:
        """Count received bytes."""
        self._missing -= size
        if self._missing <= 0:
            self._missing = BLOCK
            self._timeout.reschedule(asyncio.get_running_loop().time() + BLOCK_TIMEOUT)

    def store(self, size: int) -> None:
        """Count bytes that are to be written to the disk. Raises ManyFiles or ManyChecks if there are too many."""
        if self.share.size + size > MAX_BYTES_OF_ONE:
            raise ManyFiles(retry_after=RETRY_AFTER)
        if self.limits.size + size > MAX_BYTES:
            raise ManyChecks(retry_after=RETRY_AFTER)
        self.size += size
        self.share.size += size
        self.limits.size += size

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a child process. Raises ManyChecks if too many files wait."""
        if self.limits.waiting >= MAX_WAITING:
            raise ManyChecks(retry_after=RETRY_AFTER)
        self.limits.waiting += 1
        try:
            await self.share.checks.acquire()
            try:
                await self.limits.checks.acquire()
            except BaseException:
                self.share.checks.release()
                raise
        finally:
            self.limits.waiting -= 1
        try:
            yield
        finally:
            self.limits.checks.release()
            self.share.checks.release()


class UploadLimits:
    def __init__(self) -> None:
        self.checks = asyncio.Semaphore(MAX_CHECKS)
        self.waiting = 0
        self.size = 0
        self._shares: dict[str | None, _AddressUse] = {}

    @contextlib.contextmanager
    def upload(self, address: str | None) -> Iterator[Upload]:
        """Start an upload of an address (None for this machine, see `remote_address`). Raises ManyFiles."""
        share = self._shares.get(address) or _share(address)
        if share.files >= share.max_files:
            raise ManyFiles(retry_after=RETRY_AFTER)
        self._shares[address] = share
        share.files += 1
        upload = Upload(self, share)
        try:
            yield upload
        finally:
            share.files -= 1
            share.size -= upload.size
            self.size -= upload.size
            if not share.files:
                del self._shares[address]


def _share(address: str | None) -> _AddressUse:
    if address is None:
        return _AddressUse(MAX_FILES_OF_THIS_MACHINE, asyncio.Semaphore(MAX_CHECKS))
    return _AddressUse(MAX_FILES, asyncio.Semaphore(1))
