"""Store verified callbacks in batches.

Each callback is answered only after the commit. A provider that reports on thousands of messages at once thus costs one
transaction per batch instead of one per callback.
"""

from __future__ import annotations

from datetime import datetime

from channels import CallbackContent
from hub.store.inbound.callback_writer import StoredCallback
from hub.store.kernel.batcher import Batcher, BatchItem
from hub.store.transaction import Database


class CallbackBatcher:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher = Batcher(self._store)

    async def store(self, provider: str, content: CallbackContent) -> None:
        """Store a callback and notify the workers; return after the commit. Raises DatabaseUnavailable."""
        await self._batcher.add((provider, content, self._database.clock()))

    async def _store(self, batch: list[BatchItem[tuple[str, CallbackContent, datetime], None]]) -> None:
        await self._database.know_sealing_key()
        cipher = self._database.cipher
        await self._database.callback_writer.store([StoredCallback.encrypted(cipher, *item.value) for item in batch])
        for item in batch:
            item.succeed(None)
