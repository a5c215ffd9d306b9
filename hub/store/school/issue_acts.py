"""Contracts that staff issue together: which enrolments belong to an act, and the outcome of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, exists, func, not_, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.reminders.schedule import FirstSend
from hub.model.school.course import Enrolment
from hub.model.school.issue_many import FailedItem, IssueAct, IssueFailure, IssueOutcome, IssueProgress
from hub.store.kernel.cipher import Cipher
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.sealed_column import SealedColumn
from hub.store.kernel.statement import SqlStatement
from hub.store.tables import EnrolmentRow, IssueActRow, IssueItemRow, table_of

ACT: Table = table_of(IssueActRow)
ITEM: Table = table_of(IssueItemRow)
ENROLMENT: Table = table_of(EnrolmentRow)
_FAILURE = SealedColumn.of(ITEM.c.failure_sealed)
_LEFT = ITEM.c.outcome.is_(None)
_COLUMNS = ("act", "enrolment", "campus", "ordinal")
_ADD_ITEMS = insert_many(ITEM, _COLUMNS)
_BEFORE = bindparam("before", type_=ITEM.c.ended_at.type)
_STALLED = SqlStatement(
    select(ACT.c.id)
    .where(
        ACT.c.asked_at < _BEFORE,
        exists().where(ITEM.c.act == ACT.c.id, _LEFT),
        not_(select(ITEM.c.act).where(ITEM.c.act == ACT.c.id, ITEM.c.ended_at >= _BEFORE).exists()),
    )
    .limit(20)
)


class IssueActs:
    def __init__(self, connection: Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def begin(self, act: IssueAct, enrolments: Sequence[Enrolment]) -> bool:
        """Store an act with its enrolments, in this order. Return False, and change nothing, if it was begun before:
        a second click waits for the first one."""
        values = {name: getattr(act, name) for name in IssueAct.__dataclass_fields__}
        if not (await self._connection.execute(insert(ACT).values(values).on_conflict_do_nothing())).rowcount:
            return False
        items = [
            {"act": act.id, "enrolment": each.id, "campus": each.campus, "ordinal": ordinal}
            for ordinal, each in enumerate(enrolments)
        ]
        await self._connection.execute(_ADD_ITEMS, arrays_of(_COLUMNS, items))
        return True

    async def find(self, act: UUID) -> IssueAct | None:
        row = (await self._connection.execute(select(ACT).where(ACT.c.id == act))).first()
        return _act(row) if row else None

    async def get_progress(self, act: IssueAct) -> IssueProgress:
        statement = select(ITEM.c.outcome, func.count()).where(ITEM.c.act == act.id).group_by(ITEM.c.outcome)
        counts = {row[0]: int(row[1]) for row in await self._connection.execute(statement)}
        left = counts.pop(None, 0)
        return IssueProgress(act, left, {IssueOutcome(outcome): count for outcome, count in counts.items()})

    async def list_recent(self, since: datetime, limit: int = 5) -> list[IssueProgress]:
        """Return acts that were asked for since then, newest first."""
        statement = select(ACT).where(ACT.c.asked_at >= since).order_by(ACT.c.asked_at.desc(), ACT.c.id).limit(limit)
        return [await self.get_progress(_act(row)) for row in await self._connection.execute(statement)]

    async def list_left(self, act: UUID, limit: int) -> list[UUID]:
        """Return the next enrolments without an outcome."""
        statement = select(ITEM.c.enrolment).where(ITEM.c.act == act, _LEFT).order_by(ITEM.c.ordinal).limit(limit)
        return list(await self._connection.scalars(statement))

    async def list_not_issued(self, act: UUID, limit: int) -> list[FailedItem]:
        """Return the enrolments that were not issued by this act, with the reason."""
        columns = (ITEM.c.enrolment, ENROLMENT.c.student_name, ITEM.c.outcome, ITEM.c.failure_sealed)
        joined = ITEM.outerjoin(ENROLMENT, ENROLMENT.c.id == ITEM.c.enrolment)
        mine = (ITEM.c.act == act) & ITEM.c.outcome.is_not(None) & (ITEM.c.outcome != IssueOutcome.ISSUED.value)
        statement = select(*columns).select_from(joined).where(mine).order_by(ITEM.c.ordinal).limit(limit)
        return [self._failed(act, row) for row in await self._connection.execute(statement)]

    def _failed(self, act: UUID, row: Row) -> FailedItem:
        sealed = row["failure_sealed"]
        failure = IssueFailure(**self._cipher.open_json(sealed, _FAILURE.at(act, row["enrolment"]))) if sealed else None
        return FailedItem(row["enrolment"], row["student_name"], IssueOutcome(row["outcome"]), failure)

    # ---- one enrolment of an act

    async def count_try(self, act: UUID, enrolment: UUID) -> int | None:
        """Count a try. Return the number of tries so far; None if there is an outcome already."""
        mine = (ITEM.c.act == act) & (ITEM.c.enrolment == enrolment) & _LEFT
        statement = ITEM.update().where(mine).values(tries=ITEM.c.tries + 1).returning(ITEM.c.tries)
        tries = await self._connection.scalar(statement)
        return None if tries is None else int(tries)

    async def forget_try(self, act: UUID, enrolment: UUID) -> None:
        """Take back the last try: it ended because a part that we depend on was away."""
        mine = (ITEM.c.act == act) & (ITEM.c.enrolment == enrolment)
        await self._connection.execute(ITEM.update().where(mine).values(tries=ITEM.c.tries - 1))

    async def lock_item(self, act: UUID, enrolment: UUID) -> bool:
        """Lock an enrolment of an act until the end of the transaction. Return False if it has an outcome already."""
        mine = (ITEM.c.act == act) & (ITEM.c.enrolment == enrolment) & _LEFT
        return await self._connection.scalar(select(ITEM.c.ordinal).where(mine).with_for_update()) is not None

    async def end(
        self, act: UUID, enrolment: UUID, outcome: IssueOutcome, at: datetime, failure: IssueFailure | None = None
    ) -> None:
        """Write the outcome, in the transaction of the contract."""
        mine = (ITEM.c.act == act) & (ITEM.c.enrolment == enrolment) & _LEFT
        sealed = self._cipher.seal_json(asdict(failure), _FAILURE.at(act, enrolment)) if failure else None
        values = {"outcome": outcome.value, "ended_at": at, "failure_sealed": sealed}
        await self._connection.execute(ITEM.update().where(mine).values(values))

    async def list_stalled(self, before: datetime) -> list[UUID]:
        """Return acts with enrolments left of which none got an outcome since `before`."""
        return await self._connection.scalars(_STALLED, {"before": before})


def _act(row: Row) -> IssueAct:
    values = {name: row[name] for name in IssueAct.__dataclass_fields__}
    return IssueAct(**(values | {"send": cast(FirstSend, row["send"])}))
