"""The ledger of reminders: each planned, sent, skipped, failed and stopped step of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.reminder import NextStep
from hub.model.signer import SigningTask
from hub.store.joint import write
from hub.store.tables import ReminderEntryRow, table_of

ENTRY: Table = table_of(ReminderEntryRow)
_NOTE = insert(ENTRY)


class Reminders:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(
        self, task: SigningTask, kind: str, at: datetime, *, step: NextStep | None = None, reason: str | None = None,
        delivery: UUID | None = None,
    ) -> None:  # fmt: skip
        """`kind`: planned, sent, skipped, failed or stopped. `at` is on the planning clock."""
        await write(self._connection, _NOTE, {
            "contract": task.contract, "task": task.id, "campus": task.campus, "kind": kind, "at": at,
            "reason": reason, "delivery": delivery, "step": step.kind.value if step else None,
            "number": step.number if step else 0, "due_at": step.due_at if step else None,
        })  # fmt: skip

    async def of_contract(self, contract: UUID) -> Sequence[Mapping[str, Any]]:
        statement = select(ENTRY).where(ENTRY.c.contract == contract).order_by(ENTRY.c.id)
        return [dict(row) for row in (await self._connection.execute(statement)).mappings()]
