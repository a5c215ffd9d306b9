"""PageFetches: the pages that phones ask for at this moment, so that those of one session are noted together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from hub.model.signing.session import hash_secret

# Seconds from the first page that a session asks for until its pages are noted. A browser asks for several at once.
GATHERED_FOR = 0.005
Noted = TypeVar("Noted")


@dataclass
class PageFetches:
    """The pages that sessions ask for, kept in the memory of one process until they are noted."""

    gathered_for: float = GATHERED_FOR
    _waiting: dict[tuple[bytes, UUID | None], tuple[set[int], asyncio.Task[Any]]] = field(default_factory=dict)

    async def add(
        self, secret: str, contract: UUID | None, page: int, note: Callable[[set[int]], Awaitable[Noted]]
    ) -> Noted:
        """Return what `note` returns for this page, and for the others that the session asks for until then.
        `contract`: None for that of the session's link."""
        place = hash_secret(secret), contract
        pages, task = self._waiting.get(place) or self._begin(place, note)
        pages.add(page)
        return await asyncio.shield(task)  # a phone that hangs up does not stop the others

    def _begin(
        self, place: tuple[bytes, UUID | None], note: Callable[[set[int]], Awaitable[Any]]
    ) -> tuple[set[int], asyncio.Task[Any]]:
        pages: set[int] = set()

        async def gathered() -> Any:
            await asyncio.sleep(self.gathered_for)
            del self._waiting[place]
            return await note(pages)

        self._waiting[place] = pages, asyncio.create_task(gathered())
        return self._waiting[place]
