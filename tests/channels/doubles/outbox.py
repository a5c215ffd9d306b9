"""The outbox has no provider: its double is the hub's ledger, kept in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble


class Ledger:
    def __init__(self, lines: list[Accepted]) -> None:
        self._lines = lines

    async def accept(self, key: str) -> None:
        if not await self.accepted(key):
            self._lines.append(Accepted(key, "", "", key))

    async def accepted(self, key: str) -> bool:
        return any(key == each.key for each in self._lines)


class Double:
    able: ClassVar[frozenset[Trouble]] = frozenset()
    local = True
    """No network leads to it, so it cannot be away."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.trouble: list[Trouble] = []
        self.hub_ledger = Ledger(self.accepted)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        yield

    def options(self) -> Mapping[str, Any]:
        return {}

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return None

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        return None

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        return call
