"""The demo's channel: it accepts every message and keeps a ledger of keys, like a provider that can be asked.

The pretend phone shows what the ledger accepted. Text, link and code are not kept: they are rendered when somebody
looks.
"""

from __future__ import annotations

from typing import Protocol

from channels import Fate, Message, Receipt


class Ledger(Protocol):
    async def accept(self, key: str) -> None:
        """Remember the key, durably, before returning. The same key again changes nothing."""

    async def accepted(self, key: str) -> bool:
        """Whether the key was accepted."""


class Outbox:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def send(self, message: Message) -> Receipt:
        await self._ledger.accept(message.key)
        return Receipt(Fate.DELIVERED, message.key)

    async def find(self, key: str) -> Receipt | None:
        return Receipt(Fate.DELIVERED, key) if await self._ledger.accepted(key) else None
