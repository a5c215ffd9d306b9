"""What providers told us: stored before they get their answer, worked on afterwards, kept for the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid4

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from channels import Failure, Fate, Heard, Inbound, Receipt, Report
from hub.store.cipher import Cipher
from hub.store.tables import CallbackRow, table_of

CALLBACK: Table = table_of(CallbackRow)


@dataclass(frozen=True)
class Callback:
    """A verified call; `tries` counts how often somebody worked on it without coming to an end."""

    id: UUID
    provider: str
    reports: tuple[Report, ...]
    inbound: tuple[Inbound, ...]
    received_at: datetime
    tries: int


@dataclass(frozen=True)
class Told:
    """A verified call as it is about to be stored."""

    id: UUID
    provider: str
    call_sealed: bytes
    at: datetime

    @classmethod
    def sealed(cls, cipher: Cipher, provider: str, heard: Heard, at: datetime) -> Self:
        told = {
            "reports": [asdict(each) for each in heard.reports],
            "inbound": [_inbound(each) for each in heard.inbound],
        }
        return cls(uuid4(), provider, cipher.seal_json(told), at)


class Callbacks:
    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def add(self, provider: str, heard: Heard, at: datetime) -> UUID:
        told = Told.sealed(self._cipher, provider, heard, at)
        await self.add_all([told])
        return told.id

    async def add_all(self, calls: Sequence[Told]) -> None:
        await self._connection.execute(insert(CALLBACK), [
            {"id": each.id, "provider": each.provider, "call_sealed": each.call_sealed, "received_at": each.at,
             "due_at": each.at, "tries": 0}
            for each in calls
        ])  # fmt: skip

    async def open(self, callback: UUID, *, lock: bool = False) -> Callback | None:
        """None when it has been dealt with, or (with `lock`) is in somebody else's hands."""
        statement = select(CALLBACK).where(CALLBACK.c.id == callback, CALLBACK.c.due_at.is_not(None))
        statement = statement.with_for_update(skip_locked=True) if lock else statement
        row = (await self._connection.execute(statement)).mappings().first()
        if row is None:
            return None
        told = self._cipher.open_json(row["call_sealed"])
        reports, inbound = [_report(each) for each in told["reports"]], [_written(each) for each in told["inbound"]]
        return Callback(row["id"], row["provider"], tuple(reports), tuple(inbound), row["received_at"], row["tries"])

    async def due(self, now: datetime, limit: int = 50) -> Sequence[UUID]:
        statement = select(CALLBACK.c.id).where(CALLBACK.c.due_at <= now).order_by(CALLBACK.c.due_at).limit(limit)
        return list(await self._connection.scalars(statement))

    async def again(self, callback: UUID, at: datetime) -> None:
        values = {"due_at": at, "tries": CALLBACK.c.tries + 1}
        undone = (CALLBACK.c.id == callback) & CALLBACK.c.due_at.is_not(None)
        await self._connection.execute(CALLBACK.update().where(undone).values(values))

    async def done(self, callback: UUID, at: datetime, outcome: str) -> None:
        """`outcome`: noted, unmatched or refuted. What was said is no longer needed."""
        values = {"due_at": None, "handled_at": at, "outcome": outcome, "call_sealed": None}
        await self._connection.execute(CALLBACK.update().where(CALLBACK.c.id == callback).values(values))


def _inbound(each: Inbound) -> dict[str, Any]:
    return asdict(each) | {"at": each.at.isoformat() if each.at else None}


def _written(told: dict[str, Any]) -> Inbound:
    return Inbound(**(told | {"at": datetime.fromisoformat(told["at"]) if told["at"] else None}))


def _report(told: dict[str, Any]) -> Report:
    receipt = told["receipt"]
    failure = Failure(receipt["failure"]) if receipt["failure"] else None
    return Report(**(told | {"receipt": Receipt(**(receipt | {"fate": Fate(receipt["fate"]), "failure": failure}))}))
