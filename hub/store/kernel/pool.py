"""Connections that are kept open: taken for one transaction, and given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hub.store.kernel.connection import Driver

# Seconds that somebody waits for a connection when all are in use.
TAKE_TIMEOUT = 30.0


class ConnectionPool:
    """At most `size` connections, each opened when it is first needed. asyncpg's own pool asks the server to reset a
    connection whenever it comes back; after a transaction there is nothing to reset."""

    def __init__(self, connect: Callable[[], Awaitable[Driver]], size: int) -> None:
        self._connect = connect
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Driver] = []
        self._taken: set[Driver] = set()

    @property
    def in_use(self) -> int:
        return len(self._taken)

    async def take(self) -> Driver:
        """Return the connection that came back last. Raises TimeoutError when all are in use for too long.

        One that its server has ended is not handed out. That costs no question: the socket has told us.
        """
        async with asyncio.timeout(TAKE_TIMEOUT):
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

    def give_back(self, driver: Driver) -> None:
        """Keep the connection for the next one; not one that is in a transaction still, or was open at `close`."""
        self._slots.release()
        if driver not in self._taken or driver.is_closed() or driver.is_in_transaction():
            driver.terminate()
        else:
            self._idle.append(driver)
        self._taken.discard(driver)

    async def close(self) -> None:
        """Close what is idle; what is in use ends when it is given back. Whoever takes one later gets a new one."""
        idle, self._idle = self._idle, []
        self._taken.clear()
        for driver in idle:
            await driver.close()
