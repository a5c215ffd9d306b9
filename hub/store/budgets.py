"""Budgets: how many messages were written for a number, a prefix, a campus or a poster in one period."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.tables import BudgetRow, table_of

BUDGET: Table = table_of(BudgetRow)


class Budgets:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def spend(self, kind: str, subject: str, begins_at: datetime, most: int) -> bool:
        """One more; False, and nothing is counted, when `most` are spent in the period that began at `begins_at`."""
        fresh = insert(BUDGET).values(kind=kind, subject=subject, begins_at=begins_at, spent=1)
        statement = fresh.on_conflict_do_update(
            index_elements=["kind", "subject", "begins_at"], set_={"spent": BUDGET.c.spent + 1},
            where=BUDGET.c.spent < most,
        )  # fmt: skip
        return (await self._connection.execute(statement)).rowcount == 1

    async def spent(self, kind: str, subject: str, begins_at: datetime) -> int:
        """How much of it is spent. It waits for nobody, and nobody for it."""
        mine = (BUDGET.c.kind == kind) & (BUDGET.c.subject == subject) & (BUDGET.c.begins_at == begins_at)
        return int(await self._connection.scalar(select(BUDGET.c.spent).where(mine)) or 0)

    async def forget(self, before: datetime) -> None:
        """Periods that are long over."""
        await self._connection.execute(BUDGET.delete().where(BUDGET.c.begins_at < before))
