"""Store verified webhooks in batches: those that arrive during one statement share the next one.

Each webhook is answered only after the commit. A provider that reports on thousands of messages at once thus costs one
transaction per batch instead of one per webhook.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from channels import Heard
from hub.store.inbound.callback_writer import StoredCallback
from hub.store.transaction import Database

MAX_TOGETHER = 50


@dataclass(frozen=True)
class _Waiting:
    provider: str
    heard: Heard
    at: datetime
    stored: asyncio.Future[None]


class CallbackBatcher:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(self, provider: str, heard: Heard) -> None:
        """Store a webhook and notify the workers; return after the commit. Raises DatabaseUnavailable."""
        waiting = _Waiting(provider, heard, self._database.clock(), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await waiting.stored

    async def _write(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            failure: Exception | None = None
            try:
                await self._store(together)
            except Exception as error:
                failure = error
            for each in together:
                if each.stored.done():  # the caller may have been cancelled
                    continue
                if failure:
                    each.stored.set_exception(failure)
                else:
                    each.stored.set_result(None)

    async def _store(self, together: list[_Waiting]) -> None:
        await self._database.know_sealing_key()
        cipher = self._database.cipher
        told = [StoredCallback.sealed(cipher, each.provider, each.heard, each.at) for each in together]
        await self._database.callback_writer.store(told)
