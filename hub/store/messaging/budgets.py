"""Budgets: how many messages were written for a number, a prefix, a campus or a poster in one period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Table, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.store.joint import joint
from hub.store.tables import BudgetRow, table_of

BUDGET: Table = table_of(BudgetRow)

_SPEND = text("""
INSERT INTO budget AS had (kind, subject, begins_at, spent)
SELECT kind, subject, begins_at, 1
FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[]), CAST(:begins AS timestamptz[]))
  AS asked (kind, subject, begins_at)
ON CONFLICT (kind, subject, begins_at) DO UPDATE SET spent = had.spent + 1
WHERE had.spent < (CAST(:mosts AS int[]))[array_position(CAST(:kinds AS text[]), had.kind)]
RETURNING kind
""")


@dataclass(frozen=True)
class Spending:
    """One more of `kind` and `subject` in the period that began at `begins_at`, of which there may be `most`."""

    kind: str
    subject: str
    begins_at: datetime
    most: int


class Budgets:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def spend(self, kind: str, subject: str, begins_at: datetime, most: int) -> bool:
        """One more; False, and nothing is counted, when `most` are spent in the period that began at `begins_at`."""
        fresh = insert(BUDGET).values(kind=kind, subject=subject, begins_at=begins_at, spent=1)
        statement = fresh.on_conflict_do_update(
            index_elements=["kind", "subject", "begins_at"],
            set_={"spent": BUDGET.c.spent + 1},
            where=BUDGET.c.spent < most,
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def spend_all(self, wanted: Sequence[Spending]) -> list[Spending]:
        """One more of each, in one statement; the kinds differ. Returns those that are used up: if there are any,
        nothing is counted. Where many spend together they are counted at the end, and all is undone if there is not
        enough."""
        if ahead := joint(self._connection):
            for each in wanted:
                ahead.spend(each.kind, each.subject, each.begins_at, each.most)
            return []
        values = {
            "kinds": [each.kind for each in wanted],
            "subjects": [each.subject for each in wanted],
            "begins": [each.begins_at for each in wanted],
            "mosts": [each.most for each in wanted],
        }
        counted = set(await self._connection.scalars(_SPEND, values))
        refused = [each for each in wanted if each.kind not in counted]
        for each in wanted if refused else ():
            if each.kind in counted:
                await self.give_back(each)
        return refused

    async def give_back(self, spending: Spending) -> None:
        """What was counted once is not counted any more."""
        same = (BUDGET.c.kind == spending.kind) & (BUDGET.c.subject == spending.subject)
        same &= (BUDGET.c.begins_at == spending.begins_at) & (BUDGET.c.spent > 0)
        await self._connection.execute(BUDGET.update().where(same).values(spent=BUDGET.c.spent - 1))

    async def spent(self, kind: str, subject: str, begins_at: datetime) -> int:
        """How much of it is spent. It waits for nobody, and nobody for it."""
        mine = (BUDGET.c.kind == kind) & (BUDGET.c.subject == subject) & (BUDGET.c.begins_at == begins_at)
        return int(await self._connection.scalar(select(BUDGET.c.spent).where(mine)) or 0)

    async def forget(self, before: datetime, limit: int) -> int:
        """Delete periods that are long over; returns how many, at most `limit`."""
        key = tuple_(BUDGET.c.kind, BUDGET.c.subject, BUDGET.c.begins_at)
        old = select(BUDGET.c.kind, BUDGET.c.subject, BUDGET.c.begins_at).where(BUDGET.c.begins_at < before)
        return (await self._connection.execute(BUDGET.delete().where(key.in_(old.limit(limit))))).rowcount
