"""The pause of sending: while its row exists, the hub begins only messages for which somebody is waiting."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, exists, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.pause import SendingPause
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.server import RESTORED_DELIVERY as RESTORED, SENDING_PAUSE as PAUSE

_GET = SqlStatement(select(PAUSE.c.since, PAUSE.c.restored_from))
_BEGIN = SqlStatement(insert(PAUSE).on_conflict_do_nothing(), ["one", "since"])
_END = SqlStatement(PAUSE.delete())
_MARK = insert_many(RESTORED, ["delivery"], "ON CONFLICT DO NOTHING")
_WAS_RESTORED = SqlStatement(select(RESTORED.c.delivery).where(RESTORED.c.delivery == bindparam("delivery")))


def is_not_paused() -> ColumnElement[bool]:
    """Return the SQL condition that sending is not paused."""
    return ~exists(select(PAUSE.c.one))


class SendingPauses(Repository):
    _is_on: bool | None = None

    def remember(self, *, is_on: bool) -> None:
        """Let `is_on` return what this transaction has read."""
        self._is_on = is_on

    async def is_on(self) -> bool:
        """Return whether sending is paused."""
        return await self.get() is not None if self._is_on is None else self._is_on

    async def get(self) -> SendingPause | None:
        """Return the present pause, or None."""
        row = (await self._connection.execute(_GET)).first()
        return SendingPause(row["since"], row["restored_from"]) if row else None

    async def begin(self, now: datetime) -> bool:
        """Pause sending. Return False if it was paused before."""
        return (await self._connection.execute(_BEGIN, {"one": True, "since": now})).rowcount == 1

    async def end(self) -> bool:
        """End the pause. Return False if there was none."""
        return (await self._connection.execute(_END)).rowcount == 1

    async def mark_restored(self, deliveries: Iterable[UUID]) -> None:
        """Mark these messages, so that all providers are asked about them before one is called."""
        rows = [{"delivery": delivery} for delivery in deliveries]
        if rows:
            await self._connection.execute(_MARK, arrays_of(["delivery"], rows))

    async def was_restored(self, delivery: UUID) -> bool:
        """Return whether a provider may have this delivery from the time before a restore."""
        return await self._connection.scalar(_WAS_RESTORED, {"delivery": delivery}) is not None
