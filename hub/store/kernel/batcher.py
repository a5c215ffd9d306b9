"""Handle items in batches. Items that arrive while a batch is handled form the next one, so no item waits for a batch
to fill up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

MAX_BATCH = 50
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class BatchItem(Generic[Item, Result]):
    """An item, and the future that its caller awaits."""

    value: Item
    future: asyncio.Future[Result]

    def succeed(self, result: Result) -> None:
        if not self.future.done():  # the caller may have been cancelled
            self.future.set_result(result)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Batcher(Generic[Item, Result]):
    """A batcher. `handle` gives every item its result; if it raises, the items without a result get the error."""

    def __init__(self, handle: Callable[[list[BatchItem[Item, Result]]], Awaitable[None]]) -> None:
        self._handle = handle
        self._waiting: list[BatchItem[Item, Result]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, value: Item) -> Result:
        """Return the result of this item once its batch is handled."""
        item: BatchItem[Item, Result] = BatchItem(value, asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._handle_all())
        return await item.future

    async def _handle_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                await self._handle(batch)
            except Exception as error:
                for item in batch:
                    item.fail(error)
