"""Bulk reminders by staff: which tasks belong to an act, and the outcome for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.contract.signer import SigningTask
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.reminders import MANY_REMINDED as ITEM

_LEFT = ITEM.c.outcome.is_(None)
_UNFINISHED = SqlStatement(select(ITEM.c.act).distinct().where(_LEFT, ITEM.c.asked_at < bindparam("before")).limit(20))


@dataclass(frozen=True)
class BulkReminderCounts:
    """One bulk reminder. `counts`: number of tasks by outcome; `left`: tasks without an outcome yet."""

    asked_by: str
    asked_at: datetime
    left: int
    counts: dict[str, int]

    @property
    def done(self) -> int:
        return sum(self.counts.values())


class BulkReminders(Repository):
    async def begin(self, act: UUID, tasks: Sequence[SigningTask], by: str, at: datetime) -> None:
        """Store the tasks of an act. A second call for the same act, e.g. from a form sent twice, changes nothing."""
        asked = {"act": act, "asked_by": by, "asked_at": at}
        rows = [asked | {"task": task.id, "contract": task.contract, "campus": task.campus} for task in tasks]
        if rows:
            await self._connection.execute_many(insert(ITEM).on_conflict_do_nothing(), rows)

    async def list_contracts_left(self, act: UUID, limit: int) -> list[UUID]:
        mine = (ITEM.c.act == act) & _LEFT
        statement = select(ITEM.c.contract).distinct().where(mine).order_by(ITEM.c.contract).limit(limit)
        return await self._connection.scalars(statement)

    async def list_tasks_left(self, act: UUID, contract: UUID) -> list[UUID]:
        mine = (ITEM.c.act == act) & (ITEM.c.contract == contract) & _LEFT
        return await self._connection.scalars(select(ITEM.c.task).where(mine).order_by(ITEM.c.task))

    async def end(self, act: UUID, task: UUID, outcome: str, at: datetime) -> None:
        """Write the outcome for a task, in the transaction that did it. The caller has locked the contract."""
        mine = (ITEM.c.act == act) & (ITEM.c.task == task) & _LEFT
        await self._connection.execute(ITEM.update().where(mine).values(outcome=outcome, ended_at=at))

    async def find_counts(self, act: UUID) -> BulkReminderCounts | None:
        columns = (
            ITEM.c.outcome,
            func.count().label("n"),
            func.min(ITEM.c.asked_by).label("by"),
            func.min(ITEM.c.asked_at).label("at"),
        )
        statement = select(*columns).where(ITEM.c.act == act).group_by(ITEM.c.outcome)
        rows = await self._connection.execute(statement)
        if not rows:
            return None
        counts = {row["outcome"]: int(row["n"]) for row in rows}
        return BulkReminderCounts(rows[0]["by"], rows[0]["at"], counts.pop(None, 0), counts)

    async def list_unfinished(self, before: datetime) -> list[UUID]:
        """Return acts that were created before `before` and have tasks left, whatever the state of their job."""
        return await self._connection.scalars(_UNFINISHED, {"before": before})
