"""Signing tasks. An open one always has exactly one next step: writing a state and writing the step is one
statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Table, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.errors import ContractNotFound
from hub.model.reminder import NextStep, StepKind
from hub.model.signer import SigningTask, TaskState
from hub.store.tables import ContractRow, SigningTaskRow, table_of

TASK: Table = table_of(SigningTaskRow)
CONTRACT: Table = table_of(ContractRow)
PLAN_CHANGED = "plan_changed"
LONGEST_SLEEP = timedelta(seconds=30)
"""A worker looks for due steps at least so often, also when nobody tells it to."""
_OPEN = TASK.c.state == TaskState.OPEN.value


@dataclass(frozen=True)
class ClaimedTask:
    """A due task in the hands of one worker. The exact `leased_until` proves that the claim is still ours."""

    task: SigningTask
    leased_until: datetime


class Tasks:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, task: SigningTask) -> None:
        await self._connection.execute(insert(TASK).values(
            id=task.id, contract=task.contract, signer=task.signer, campus=task.campus, state=task.state.value,
            order=task.order, paused=task.paused, **_step_values(task.step), invited_at=task.invited_at,
        ))  # fmt: skip

    async def of_contract(self, contract: UUID) -> list[SigningTask]:
        rows = await self._connection.execute(
            select(TASK).where(TASK.c.contract == contract).order_by(TASK.c.order, TASK.c.id)
        )
        return [_task(row) for row in rows.mappings()]

    async def contracts_with_open(
        self, campuses: Sequence[str], course: str | None, after: UUID, limit: int
    ) -> list[UUID]:  # fmt: skip
        """Contracts with open tasks at these campuses (of this course), by their ids, after that one."""
        mine = _OPEN & TASK.c.campus.in_(campuses) & (TASK.c.contract > after)
        statement = select(TASK.c.contract).distinct().where(mine).order_by(TASK.c.contract).limit(limit)
        if course is not None:
            statement = statement.join(CONTRACT, CONTRACT.c.id == TASK.c.contract).where(CONTRACT.c.course == course)
        return list(await self._connection.scalars(statement))

    async def get(self, task: UUID) -> SigningTask:
        return await self._one(TASK.c.id == task)

    async def of_signer(self, signer: UUID) -> SigningTask:
        return await self._one(TASK.c.signer == signer)

    async def _one(self, found: ColumnElement[bool]) -> SigningTask:
        row = (await self._connection.execute(select(TASK).where(found))).mappings().first()
        if row is None:
            raise ContractNotFound
        return _task(row)

    async def open(self, task: UUID, step: NextStep, invited_at: datetime) -> None:
        """The task's turn has come (or come again)."""
        values = {"state": TaskState.OPEN.value, "invited_at": invited_at, "accepted_at": None, "leased_until": None}
        await self._update(task, **values, **_step_values(step))
        await self.tell_workers()

    async def end(self, task: UUID, state: TaskState, at: datetime) -> None:
        """Signed (accepted), declined or closed: no step is left, and a lease that a worker holds is void."""
        assert state.final
        accepted = {"accepted_at": at} if state is TaskState.SIGNED else {}
        await self._update(task, state=state.value, leased_until=None, **accepted, **_step_values(None))

    async def embedded(self, task: UUID, at: datetime) -> None:
        await self._update(task, signed_at=at)

    async def opened(self, task: UUID, door: str, at: datetime) -> None:
        """The first correct code counts as "opened"; later ones change nothing."""
        statement = TASK.update().where(TASK.c.id == task, TASK.c.opened_at.is_(None))
        await self._connection.execute(statement.values(opened_at=at, opened_through=door))

    async def plan(
        self, task: UUID, step: NextStep, leased_until: datetime | None = None, *, now: datetime | None = None
    ) -> bool:
        """Write the next step of an open task. With `leased_until`: only if that claim is still ours.

        Whoever knows `now` spares sleeping workers what is due only after they wake up by themselves.
        """
        statement = TASK.update().where(TASK.c.id == task, _OPEN)
        if leased_until is not None:
            statement = statement.where(TASK.c.leased_until == leased_until)
        written = await self._connection.execute(statement.values(leased_until=None, **_step_values(step)))
        if now is None or step.due_at < now + LONGEST_SLEEP:
            await self.tell_workers()  # only then: all commits that tell somebody wait for each other
        return written.rowcount == 1

    async def pause(self, task: UUID, paused: bool) -> None:
        """A paused task keeps its steps, but messages are skipped: the number may be somebody else's."""
        await self._update(task, paused=paused)

    async def claim_due(self, now: datetime, lease: timedelta, limit: int) -> list[ClaimedTask]:
        """Due open tasks, leased to the caller; concurrent callers get different ones. `now` is on the planning
        clock."""
        due = (
            select(TASK.c.id).where(_OPEN, TASK.c.claimable_at <= now).order_by(TASK.c.claimable_at)
            .limit(limit).with_for_update(skip_locked=True).cte("due").prefix_with("MATERIALIZED")
        )  # fmt: skip
        statement = TASK.update().where(TASK.c.id == due.c.id).values(leased_until=now + lease).returning(TASK)
        rows = (await self._connection.execute(statement)).mappings().all()
        return [ClaimedTask(_task(row), row["leased_until"]) for row in rows]

    async def still_claimed(self, claimed: ClaimedTask) -> bool:
        mine = (TASK.c.id == claimed.task.id) & (TASK.c.leased_until == claimed.leased_until) & _OPEN
        return await self._connection.scalar(select(func.count()).select_from(TASK).where(mine)) == 1

    async def earliest_due(self) -> datetime | None:
        statement = select(TASK.c.claimable_at).where(_OPEN, TASK.c.claimable_at.is_not(None))
        moment: datetime | None = await self._connection.scalar(statement.order_by(TASK.c.claimable_at).limit(1))
        return moment

    async def tell_workers(self) -> None:
        """Wake every sleeping worker once this transaction has committed."""
        await self._connection.execute(text(f"NOTIFY {PLAN_CHANGED}"))

    async def _update(self, task: UUID, **values: Any) -> None:
        await self._connection.execute(TASK.update().where(TASK.c.id == task).values(**values))


def _step_values(step: NextStep | None) -> dict[str, Any]:
    if step is None:
        return {"next_step": None, "step_number": 0, "next_due_at": None}
    return {"next_step": step.kind.value, "step_number": step.number, "next_due_at": step.due_at}


def _task(row: RowMapping) -> SigningTask:
    hidden = {"next_step", "step_number", "next_due_at", "leased_until", "claimable_at"}
    values = {name: value for name, value in row.items() if name not in hidden}
    step = NextStep(StepKind(row["next_step"]), row["step_number"], row["next_due_at"]) if row["next_step"] else None
    return SigningTask(**(values | {"state": TaskState(row["state"]), "step": step}))
