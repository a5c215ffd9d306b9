"""Watch for contracts that have ended, with one query for all waiting tasks. The database may be down after a kill."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from bench.programs.server import Server
from hub.store.encryption.cipher import Cipher
from hub.store.encryption.keys import Keys

FINAL = ("COMPLETED", "DECLINED", "EXPIRED")
ASK_TIMEOUT = 120.0
LOOK_EVERY = 2.0
# A transaction becomes visible only at its commit, which is later than the time that it writes.
OVERLAP = timedelta(seconds=30)


async def ask(server: Server, statement: str, *values: Any) -> list[asyncpg.Record]:
    """Query as the owner, on a new connection. If the database is down, try again for ASK_TIMEOUT seconds."""
    deadline = asyncio.get_running_loop().time() + ASK_TIMEOUT
    while True:
        try:
            connection = await asyncpg.connect(server.postgres.dsn("owner"), timeout=5)
            try:
                return list(await connection.fetch(statement, *values))
            finally:
                await connection.close(timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)


class Endings:
    """An event for each phone number, set when the contract of that number has ended."""

    def __init__(self, server: Server, keys: Keys, phones: Sequence[str]) -> None:
        cipher = Cipher(keys)
        self._server = server
        self._of = {phone: asyncio.Event() for phone in phones}
        self._by_hash = {cipher.found_by("phone", phone): event for phone, event in self._of.items()}

    def of(self, phone: str) -> asyncio.Event:
        """Return the event that is set once the contract of this number has ended."""
        return self._of[phone]

    @property
    def missing(self) -> int:
        return sum(not event.is_set() for event in self._of.values())

    async def watch(self) -> None:
        """Set the events of ended contracts, until cancelled."""
        since = datetime.now(UTC) - OVERLAP
        while True:
            began = datetime.now(UTC)
            for (phone_hash,) in await ask(
                self._server,
                "SELECT phone_hash FROM signer JOIN contract ON contract.id = signer.contract"
                " WHERE state = ANY($1) AND ended_at >= $2",
                FINAL,
                since,
            ):
                if event := self._by_hash.get(bytes(phone_hash)):
                    event.set()
            since = began - OVERLAP
            await asyncio.sleep(LOOK_EVERY)
