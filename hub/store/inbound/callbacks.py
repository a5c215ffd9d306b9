"""Callbacks of providers: stored before the provider gets its answer, processed afterwards, kept for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from channels import Failure, Fate, Inbound, Receipt, ReceiptReport, Unread
from hub.store.inbound.callback_writer import CALL
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.messaging.providers import ProviderCondition
from hub.store.tables.inbound import CALLBACK


@dataclass(frozen=True)
class Callback:
    """A verified callback. `tries`: how often it was processed without a final result. `unread`: entries that could not
    be read."""

    id: UUID
    provider: str
    reports: tuple[ReceiptReport, ...]
    inbound: tuple[Inbound, ...]
    received_at: datetime
    tries: int
    unread: tuple[Unread, ...] = ()


class Callbacks(EncryptedRepository):
    async def lock_unprocessed(self, callbacks: Sequence[UUID]) -> list[Callback]:
        """Lock those of these callbacks that are unprocessed and not locked. Return them in the order of arrival."""
        open_ones = CALLBACK.c.id.in_(callbacks) & CALLBACK.c.due_at.is_not(None)
        statement = select(CALLBACK).where(open_ones).order_by(CALLBACK.c.received_at, CALLBACK.c.id)
        rows = await self._connection.execute(statement.with_for_update(skip_locked=True))
        return [self._read(row) for row in rows]

    def _read(self, row: Row) -> Callback:
        told = self._cipher.decrypt_json(row["call_sealed"], CALL.at(row["id"]))
        reports, inbound = [_report(each) for each in told["reports"]], [_written(each) for each in told["inbound"]]
        unread = tuple(Unread(**each) for each in told.get("unread", ()))
        return Callback(
            row["id"], row["provider"], tuple(reports), tuple(inbound), row["received_at"], row["tries"], unread
        )

    async def list_due(self, now: datetime, limit: int = 50, ours: ProviderCondition | None = None) -> Sequence[UUID]:
        statement = select(CALLBACK.c.id).where(CALLBACK.c.due_at <= now).order_by(CALLBACK.c.due_at).limit(limit)
        if ours:
            statement = statement.where(ours.among(CALLBACK.c.provider, CALLBACK.c.received_at))
        return await self._connection.scalars(statement)

    async def lease(self, callbacks: Sequence[UUID], until: datetime) -> None:
        """Lease these callbacks until `until`. If the process dies, another one takes them afterwards."""
        if callbacks:
            undone = CALLBACK.c.id.in_(callbacks) & CALLBACK.c.due_at.is_not(None)
            await self._connection.execute(CALLBACK.update().where(undone).values(due_at=until))

    async def retry_at(self, callback: UUID, at: datetime) -> None:
        values = {"due_at": at, "tries": CALLBACK.c.tries + 1}
        undone = (CALLBACK.c.id == callback) & CALLBACK.c.due_at.is_not(None)
        await self._connection.execute(CALLBACK.update().where(undone).values(values))

    async def mark_done(self, callbacks: Sequence[UUID], at: datetime, outcome: str) -> None:
        """Mark callbacks as processed. `outcome`: `noted` or `unmatched`. Their content is deleted."""
        if not callbacks:
            return
        values = {"due_at": None, "handled_at": at, "outcome": outcome, "call_sealed": None}
        await self._connection.execute(CALLBACK.update().where(CALLBACK.c.id.in_(callbacks)).values(values))

    async def mark_kept(self, callback: Callback, at: datetime) -> None:
        """Mark a callback as processed, but keep its unreadable entries for a person to look at."""
        unread = [{"reason": each.reason, "entry": each.entry} for each in callback.unread]
        encrypted = self._cipher.encrypt_json({"reports": [], "inbound": [], "unread": unread}, CALL.at(callback.id))
        values = {"due_at": None, "handled_at": at, "outcome": "unread", "call_sealed": encrypted}
        await self._connection.execute(CALLBACK.update().where(CALLBACK.c.id == callback.id).values(values))


def _written(told: dict[str, Any]) -> Inbound:
    return Inbound(**(told | {"at": datetime.fromisoformat(told["at"]) if told["at"] else None}))


def _report(told: dict[str, Any]) -> ReceiptReport:
    receipt = told["receipt"]
    failure = Failure(receipt["failure"]) if receipt["failure"] else None
    return ReceiptReport(
        **(told | {"receipt": Receipt(**(receipt | {"fate": Fate(receipt["fate"]), "failure": failure}))})
    )
