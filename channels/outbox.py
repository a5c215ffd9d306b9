"""The channel of the demo: accepts every message and stores its key, like a provider that can be asked.

The demo phone shows the accepted messages. Their texts, with link and code, are not stored but rendered when shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from channels import (
    AcceptedMessages,
    Channel,
    ChannelContext,
    ChannelOptions,
    Fate,
    Message,
    Receipt,
    Rules,
    read_options,
)


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    read_options(ChannelOptions, options, context)
    return Outbox(context.ledger)


class Outbox:
    rules = Rules(queryable=True)

    def __init__(self, ledger: AcceptedMessages) -> None:
        self._ledger = ledger

    async def send(self, message: Message) -> Receipt:
        await self._ledger.accept(message.key)
        return Receipt(Fate.DELIVERED, message.key)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        return Receipt(Fate.DELIVERED, message.key) if await self._ledger.accepted(message.key) else None
