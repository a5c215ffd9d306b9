"""Budgets: how much was used by a number, prefix, campus, poster, person or task in one period."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.budget import KINDS, Budget
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.messaging import BUDGET

# The rows are locked in the order given: consistent order, to avoid deadlocks.
_SPEND = SqlStatement("""
INSERT INTO budget AS had (kind, subject, begins_at, spent)
SELECT kind, subject, begins_at, times
FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS text[]), CAST(:begins AS timestamptz[]), CAST(:times AS int[]),
            CAST(:mosts AS int[])) WITH ORDINALITY AS asked (kind, subject, begins_at, times, most, place)
WHERE times <= most
ORDER BY place
ON CONFLICT (kind, subject, begins_at) DO UPDATE SET spent = had.spent + excluded.spent
WHERE had.spent + excluded.spent <= (CAST(:mosts AS int[]))[array_position(CAST(:kinds AS text[]), had.kind)]
RETURNING kind, subject, begins_at
""")
_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class Budgets(EncryptedRepository):
    async def consume(self, kind: str, subject: str, begins_at: datetime, most: int) -> bool:
        """Count one use. Return False, and count nothing, if `most` uses are counted in the period that began at
        `begins_at`."""
        fresh = insert(BUDGET).values(kind=kind, subject=subject, begins_at=begins_at, spent=1)
        statement = fresh.on_conflict_do_update(
            index_elements=["kind", "subject", "begins_at"],
            set_={"spent": BUDGET.c.spent + 1},
            where=BUDGET.c.spent < most,
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def consume_all(self, wanted: Iterable[Budget]) -> list[Budget]:
        """Count one use of each in one statement. Return those that exceed their budget; if there are any, count
        nothing.

        A budget that is given several times is counted that many times. All budgets of one kind must have the same
        `most`.
        """
        times = Counter(wanted)
        subjects = {each: self._subject(each) for each in times}
        ordered = sorted(times, key=lambda each: (_PLACES.get(each.kind, len(KINDS)), subjects[each], each.begins_at))
        values = {
            "kinds": [each.kind for each in ordered],
            "subjects": [subjects[each] for each in ordered],
            "begins": [each.begins_at for each in ordered],
            "mosts": [each.most for each in ordered],
            "times": [times[each] for each in ordered],
        }
        counted = {tuple(row) for row in await self._connection.write_now(_SPEND, values)}
        refused = [each for each in times if (each.kind, subjects[each], each.begins_at) not in counted]
        for each in ordered if refused else ():
            if each not in refused:
                await self.give_back(each, times[each])
        return refused

    async def give_back(self, budget: Budget, times: int = 1) -> None:
        """Take back uses that were counted."""
        same = (BUDGET.c.kind == budget.kind) & (BUDGET.c.subject == self._subject(budget))
        same &= (BUDGET.c.begins_at == budget.begins_at) & (BUDGET.c.spent >= times)
        await self._connection.execute(BUDGET.update().where(same).values(spent=BUDGET.c.spent - times))

    async def list_spent(self, wanted: Iterable[Budget]) -> list[Budget]:
        """Return those of these budgets that have no room for one more use, without counting or waiting for locks."""
        return [
            each for each in wanted if await self.get_spent(each.kind, self._subject(each), each.begins_at) >= each.most
        ]

    async def get_spent(self, kind: str, subject: str, begins_at: datetime) -> int:
        """Return the number of uses in a period, without waiting for locks."""
        mine = (BUDGET.c.kind == kind) & (BUDGET.c.subject == subject) & (BUDGET.c.begins_at == begins_at)
        return int(await self._connection.scalar(select(BUDGET.c.spent).where(mine)) or 0)

    def _subject(self, budget: Budget) -> str:
        """Return the subject under which a budget counts. A subject that is personal is stored as a hash."""
        return self._cipher.found_by("budget", budget.subject).hex() if budget.hashed else budget.subject
