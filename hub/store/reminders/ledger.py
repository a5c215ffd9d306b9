"""The ledger of reminders: each planned, sent, skipped and failed step of each task, receipts, and what stopped the
reminders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from hub.model.contract.signer import SigningTask
from hub.model.messaging.delivery import PLANNED, DeliveryState
from hub.model.reminders.schedule import NextStep
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.reminders import REMINDER_ENTRY as ENTRY

_COLUMNS = [column.name for column in ENTRY.c if column.name != "id"]
_NOTE = insert_many(ENTRY, _COLUMNS)


# The states that the ledger contains as receipts.
RECEIPTS = (DeliveryState.DELIVERED, DeliveryState.UNDELIVERED, DeliveryState.REFUSED, DeliveryState.WITHDRAWN)
LEDGER = SqlStatement(select(ENTRY).where(ENTRY.c.contract == bindparam("contract")).order_by(ENTRY.c.id))


def in_words(values: Iterable[str]) -> str:
    """Return these values of an enum as a list for IN."""
    return ", ".join(f"'{value}'" for value in values)


def note_receipts(source: str, condition: str) -> str:
    """Return the INSERT of a receipt for each task that these messages were about. `source`: their new states."""
    return f"""
    INSERT INTO reminder_entry (contract, task, campus, kind, at, reason, delivery, number)
    SELECT coalesce(share.contract, delivery.contract), coalesce(share.task, delivery.task), delivery.campus, 'receipt',
           delivery.state_at, concat_ws('-', delivery.state, delivery.failure_kind), delivery.id, 0
    FROM {source} AS delivery LEFT JOIN delivery_share share ON share.delivery = delivery.id
    WHERE {condition} AND delivery.task IS NOT NULL AND delivery.purpose IN ({in_words(PLANNED)})
    ORDER BY delivery.id, share.contract
    """  # noqa: S608 - texts of ours


NOTE_RECEIPTS = SqlStatement(note_receipts("delivery", "delivery.id = ANY(CAST(:ids AS uuid[]))"))


@dataclass(frozen=True)
class LedgerNote:
    """An entry of the ledger. `kind`: planned, sent, skipped, failed, receipt, opened or stopped."""

    kind: str
    step: NextStep | None = None
    reason: str | None = None
    delivery: UUID | None = None


class Reminders(Repository):
    async def note(self, task: SigningTask, note: LedgerNote, at: datetime) -> None:
        """Append an entry for this task. `at` is on the planning clock."""
        step = note.step
        values = {"contract": task.contract, "task": task.id, "campus": task.campus, "kind": note.kind, "at": at}
        values |= {"reason": note.reason, "delivery": note.delivery, "step": step.kind.value if step else None}
        values |= {"number": step.number if step else 0, "due_at": step.due_at if step else None}
        await self._connection.write(_NOTE, arrays_of(_COLUMNS, [values]))

    async def list_of_contract(self, contract: UUID) -> Sequence[Mapping[str, Any]]:
        return [dict(row) for row in await self._connection.execute(LEDGER, {"contract": contract})]
