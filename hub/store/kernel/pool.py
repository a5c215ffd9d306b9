"""Keep connections open: a transaction takes one and gives it back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.store.kernel.connection import Driver

# How long a transaction waits for a connection when all are in use, in seconds.
TAKE_TIMEOUT = 30.0


@dataclass
class PoolWaits:
    """How many transactions wait for a connection now, how many have waited since the start, and how long in total."""

    waiting: int = 0
    number: int = 0
    seconds: float = 0.0


class ConnectionPool:
    """At most `size` connections, each opened when it is first needed.

    asyncpg's own pool has to be made inside a running event loop, and cannot be used again after it was closed.
    """

    def __init__(self, connect: Callable[[], Awaitable[Driver]], size: int, take_timeout: float = TAKE_TIMEOUT) -> None:
        self._connect, self._take_timeout = connect, take_timeout
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Driver] = []
        self._taken: set[Driver] = set()
        self.size = size
        self.waits = PoolWaits()

    @property
    def in_use(self) -> int:
        return len(self._taken)

    async def take(self) -> Driver:
        """Return the connection that was given back last. Raises TimeoutError if all are in use for too long.

        A connection that the server has closed is not returned. Its socket shows this without a request to the server.
        """
        if self._slots.locked():
            await self._wait_for_slot()
        else:
            await self._slots.acquire()
        try:
            while self._idle:
                if not (driver := self._idle.pop()).is_closed():
                    break
            else:
                driver = await self._connect()
        except BaseException:
            self._slots.release()
            raise
        self._taken.add(driver)
        return driver

    async def _wait_for_slot(self) -> None:
        began = time.monotonic()
        self.waits.waiting += 1
        try:
            async with asyncio.timeout(self._take_timeout):
                await self._slots.acquire()
        finally:
            self.waits.waiting -= 1
            self.waits.number += 1
            self.waits.seconds += time.monotonic() - began

    def give_back(self, driver: Driver) -> None:
        """Keep a connection for the next transaction, unless it is broken, a transaction is still open on it, or
        `close` was called since it was taken."""
        self._slots.release()
        if driver not in self._taken or driver.is_closed() or driver.is_in_transaction():
            driver.terminate()
        else:
            self._idle.append(driver)
        self._taken.discard(driver)

    async def close(self) -> None:
        """Close idle connections, and those in use when they are given back. A later `take` opens a new one."""
        idle, self._idle = self._idle, []
        self._taken.clear()
        for driver in idle:
            await driver.close()
