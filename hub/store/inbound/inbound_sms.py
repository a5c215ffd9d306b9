"""Messages that people sent to the hub by SMS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from channels import Inbound
from hub.model.messaging.sms_commands import SmsCommand
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.inbound import INBOUND_MESSAGE as INBOUND

_WAITING = SqlStatement(
    select(INBOUND)
    .where(
        INBOUND.c.wish == bindparam("wish"), INBOUND.c.outcome.is_(None), INBOUND.c.received_at < bindparam("before")
    )
    .order_by(INBOUND.c.received_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_SENDER, _TEXT = EncryptedColumn.of(INBOUND.c.sender_sealed), EncryptedColumn.of(INBOUND.c.text_sealed)


@dataclass(frozen=True)
class InboundSms:
    """An inbound message and its command."""

    id: UUID
    provider: str
    sender: str
    text: str
    command: SmsCommand
    received_at: datetime


class InboundMessages(EncryptedRepository):
    async def add(self, provider: str, message: Inbound, command: SmsCommand, at: datetime) -> InboundSms | None:
        """Store a message. Return None if it is stored already, since providers repeat their callbacks."""
        identity = uuid4()
        values = {
            "id": identity,
            "provider": provider,
            "reference": message.reference,
            "received_at": at,
            "sender_sealed": self._cipher.encrypt(message.sender, _SENDER.at(identity)),
            "text_sealed": self._cipher.encrypt(message.text, _TEXT.at(identity)),
            "sender_hash": self._cipher.found_by("phone", message.sender),
            "wish": command.value,
        }
        statement = insert(INBOUND).values(values).on_conflict_do_nothing(index_elements=["provider", "reference"])
        if (await self._connection.execute(statement)).rowcount != 1:
            return None
        return InboundSms(identity, provider, message.sender, message.text, command, at)

    async def write_outcome(self, messages: Sequence[UUID], outcome: str) -> None:
        """Write the outcome of messages that have none yet. The words for it are in
        `hub.lifecycle.inbound.inbound_sms`."""
        statement = INBOUND.update().where(INBOUND.c.id.in_(messages), INBOUND.c.outcome.is_(None))
        await self._connection.execute(statement.values(outcome=outcome))

    async def lock_waiting(self, command: SmsCommand, before: datetime) -> list[InboundSms]:
        """Lock and return messages with this command that have no outcome and were received before `before`."""
        rows = await self._connection.execute(_WAITING, {"wish": command.value, "before": before, "most": 500})
        return [self._written(row) for row in rows]

    async def has_said_since(self, sender: str, command: SmsCommand, since: datetime) -> bool:
        """Return whether this sender sent this command after that moment, to any provider."""
        theirs = (INBOUND.c.sender_hash == self._cipher.found_by("phone", sender)) & (INBOUND.c.received_at > since)
        statement = select(INBOUND.c.id).where(theirs, INBOUND.c.wish == command.value).limit(1)
        return await self._connection.scalar(statement) is not None

    async def count(self, provider: str, command: SmsCommand, since: datetime, until: datetime) -> int:
        """Return how many messages with this command a provider delivered between two moments."""
        counted = (INBOUND.c.provider == provider) & (INBOUND.c.wish == command.value)
        counted &= (INBOUND.c.received_at >= since) & (INBOUND.c.received_at <= until)
        return await self._connection.count(INBOUND, counted)

    def _written(self, row: Row) -> InboundSms:
        sender = self._cipher.decrypt(row["sender_sealed"], _SENDER.at(row["id"]))
        text = self._cipher.decrypt(row["text_sealed"], _TEXT.at(row["id"]))
        return InboundSms(row["id"], row["provider"], sender, text, SmsCommand(row["wish"]), row["received_at"])
