"""Store verified webhooks in batches: those that arrive during one statement share the next one.

Each webhook is answered only after the commit. A provider that reports on thousands of messages at once thus costs one
transaction per batch instead of one per webhook.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from channels import Heard
from hub.store.inbound.callback_writer import StoredCallback
from hub.store.transaction import Database

MAX_TOGETHER = 50


@dataclass(frozen=True)
class _Waiting:
    told: StoredCallback
    stored: asyncio.Future[None]


class Intake:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(self, provider: str, heard: Heard) -> None:
        """Store a webhook and notify the workers; return after the commit. Raises DatabaseUnavailable."""
        told = StoredCallback.sealed(self._database.cipher, provider, heard, self._database.clock())
        waiting = _Waiting(told, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await waiting.stored

    async def _write(self) -> None:
        while self._waiting:
            together, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            failure: Exception | None = None
            try:
                await self._database.inlet.store([each.told for each in together])
            except Exception as error:
                failure = error
            for each in together:
                if each.stored.done():  # the caller may have been cancelled
                    continue
                if failure:
                    each.stored.set_exception(failure)
                else:
                    each.stored.set_result(None)
