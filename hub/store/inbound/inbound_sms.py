"""What people wrote to us."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Table, func, select
from sqlalchemy.dialects.postgresql import insert

from channels import Inbound
from hub.model.messaging.sms_commands import SmsCommand
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.statement import Connection, Row
from hub.store.tables import InboundMessageRow, table_of

INBOUND: Table = table_of(InboundMessageRow)


@dataclass(frozen=True)
class Written:
    """`outcome` is empty while nobody has acted on it."""

    id: UUID
    provider: str
    sender: str
    text: str
    wish: SmsCommand
    received_at: datetime


class InboundMessages:
    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def add(self, provider: str, message: Inbound, wish: SmsCommand, at: datetime) -> Written | None:
        """None when this very message is known: providers repeat their calls."""
        identity = uuid4()
        values = {
            "id": identity,
            "provider": provider,
            "reference": message.reference,
            "received_at": at,
            "sender_sealed": self._cipher.seal(message.sender),
            "text_sealed": self._cipher.seal(message.text),
            "sender_hash": self._cipher.found_by("phone", message.sender),
            "wish": wish.value,
        }
        statement = insert(INBOUND).values(values).on_conflict_do_nothing(index_elements=["provider", "reference"])
        if (await self._connection.execute(statement)).rowcount != 1:
            return None
        return Written(identity, provider, message.sender, message.text, wish, at)

    async def done(self, messages: Sequence[UUID], outcome: str) -> None:
        """`outcome`: what was made of it, in a word of `hub.lifecycle.inbound.inbound_sms`."""
        statement = INBOUND.update().where(INBOUND.c.id.in_(messages), INBOUND.c.outcome.is_(None))
        await self._connection.execute(statement.values(outcome=outcome))

    async def waiting(self, wish: SmsCommand, before: datetime, limit: int = 500) -> list[Written]:
        """Messages on which nobody has acted yet, received before a moment, in the caller's hands."""
        mine = (INBOUND.c.wish == wish.value) & INBOUND.c.outcome.is_(None) & (INBOUND.c.received_at < before)
        statement = select(INBOUND).where(mine).order_by(INBOUND.c.received_at).limit(limit)
        rows = await self._connection.execute(statement.with_for_update(skip_locked=True))
        return [self._written(row) for row in rows]

    async def said_since(self, sender: str, wish: SmsCommand, since: datetime) -> bool:
        """Whether somebody wished this after a moment, by whatever provider."""
        theirs = (INBOUND.c.sender_hash == self._cipher.found_by("phone", sender)) & (INBOUND.c.received_at > since)
        statement = select(INBOUND.c.id).where(theirs, INBOUND.c.wish == wish.value).limit(1)
        return await self._connection.scalar(statement) is not None

    async def count(self, provider: str, wish: SmsCommand, since: datetime, until: datetime) -> int:
        """How many messages of this wish came by a provider between two moments."""
        counted = (INBOUND.c.provider == provider) & (INBOUND.c.wish == wish.value)
        counted &= (INBOUND.c.received_at >= since) & (INBOUND.c.received_at <= until)
        return int(await self._connection.scalar(select(func.count()).select_from(INBOUND).where(counted)) or 0)

    async def forget(self, before: datetime, limit: int) -> int:
        """Delete messages received before; returns how many, at most `limit`."""
        old = select(INBOUND.c.id).where(INBOUND.c.received_at < before).limit(limit)
        return (await self._connection.execute(INBOUND.delete().where(INBOUND.c.id.in_(old)))).rowcount

    def _written(self, row: Row) -> Written:
        sender, text = self._cipher.open(row["sender_sealed"]), self._cipher.open(row["text_sealed"])
        return Written(row["id"], row["provider"], sender, text, SmsCommand(row["wish"]), row["received_at"])
