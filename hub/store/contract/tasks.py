"""Signing tasks. An open task always has exactly one next step, so state and step are written in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, select

from hub.errors import ContractNotFound
from hub.model.contract.signer import SigningTask, TaskState
from hub.model.reminders.schedule import NextStep, StepKind
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, changed, insert_many, update_row
from hub.store.kernel.statement import SqlStatement
from hub.store.messaging.pause import is_not_paused
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as TASK

PLAN_CHANGED = "plan_changed"
# A worker looks for due steps at least this often, even without a NOTIFY.
MAX_SLEEP = timedelta(seconds=30)
_OWN = SIGNER.alias("own")
_OPEN = TASK.c.state == TaskState.OPEN.value
_LEFT = [state.value for state in TaskState if not state.final]
_KINDS = frozenset(kind.value for kind in StepKind)
# During an upgrade, newer workers may plan kinds of steps that this version does not know, and only they run these.
_KNOWN = TASK.c.next_step.in_(sorted(_KINDS))
_PLAN = SqlStatement(
    TASK.update()
    .where(TASK.c.id == bindparam("planned"), _OPEN)
    .values(
        leased_until=None, next_step=bindparam("step"), step_number=bindparam("number"), next_due_at=bindparam("due")
    )
)


_PLAIN = ("id", "contract", "signer", "campus", "order", "paused", "invited_at")
_COLUMNS = (*_PLAIN, "state", "next_step", "step_number", "next_due_at")
_ADD = insert_many(TASK, _COLUMNS)
_GET = SqlStatement(select(TASK).where(TASK.c.id == bindparam("task")))
_OF_SIGNER = SqlStatement(select(TASK).where(TASK.c.signer == bindparam("signer")))
_NOTE_OPENED = SqlStatement(
    TASK.update()
    .where(TASK.c.id == bindparam("task"), TASK.c.opened_at.is_(None) | (TASK.c.opened_at < TASK.c.invited_at))
    .values(opened_at=bindparam("at"), opened_through=bindparam("door"))
)
_EARLIEST_DUE = SqlStatement(
    select(TASK.c.claimable_at)
    .where(_OPEN, TASK.c.claimable_at.is_not(None), _KNOWN, is_not_paused())
    .order_by(TASK.c.claimable_at)
    .limit(1)
)


@dataclass(frozen=True)
class ClaimedTask:
    """A due task claimed by one worker. The claim is valid while the row still has exactly this `leased_until`."""

    task: SigningTask
    leased_until: datetime


class Tasks(Repository):
    async def add(self, task: SigningTask) -> None:
        values = {name: getattr(task, name) for name in _PLAIN} | {"state": task.state.value}
        await self._connection.write(_ADD, arrays_of(_COLUMNS, [values | _step_values(task.step)]))

    async def list_of_contract(self, contract: UUID) -> list[SigningTask]:
        rows = await self._connection.execute(
            select(TASK).where(TASK.c.contract == contract).order_by(TASK.c.order, TASK.c.id)
        )
        return [read_task(row) for row in rows]

    async def count_begun(self, contracts: Sequence[UUID]) -> int:
        """Return in how many of these contracts somebody has signed."""
        signed = TASK.c.contract.in_(contracts) & (TASK.c.state == TaskState.SIGNED.value)
        return len(await self._connection.scalars(select(TASK.c.contract).distinct().where(signed)))

    async def list_contracts_with_open(
        self, campuses: Sequence[str], course: str | None, after: UUID, limit: int
    ) -> list[UUID]:
        """Return contracts with open tasks at these campuses (and of this course), in the order of their ids, after
        `after`."""
        mine = _OPEN & TASK.c.campus.in_(campuses) & (TASK.c.contract > after)
        statement = select(TASK.c.contract).distinct().where(mine).order_by(TASK.c.contract).limit(limit)
        if course is not None:
            statement = statement.join(CONTRACT, CONTRACT.c.id == TASK.c.contract).where(CONTRACT.c.course == course)
        return await self._connection.scalars(statement)

    async def get(self, task: UUID) -> SigningTask:
        return await self._one(_GET, {"task": task})

    async def get_of_signer(self, signer: UUID) -> SigningTask:
        return await self._one(_OF_SIGNER, {"signer": signer})

    async def _one(self, statement: SqlStatement, values: Mapping[str, UUID]) -> SigningTask:
        row = (await self._connection.execute(statement, values)).first()
        if row is None:
            raise ContractNotFound
        return read_task(row)

    async def open(self, task: UUID, step: NextStep, invited_at: datetime) -> None:
        """Open a task, for the first time or again, with its next step."""
        values = {"state": TaskState.OPEN.value, "invited_at": invited_at, "accepted_at": None, "leased_until": None}
        await self._update(task, **values, **_step_values(step))
        await self.tell_workers()

    async def end(self, task: UUID, state: TaskState, at: datetime) -> None:
        """End a task: signed (accepted), declined or closed. It has no next step, and a worker's lease ends."""
        assert state.final
        accepted = {"accepted_at": at} if state is TaskState.SIGNED else {}
        await self._update(task, state=state.value, leased_until=None, **accepted, **_step_values(None))

    async def note_embedded(self, task: UUID, at: datetime) -> None:
        await self._update(task, signed_at=at)

    async def note_opened(self, task: UUID, door: str, at: datetime) -> None:
        """Store time and door of the first correct code since the task was (last) opened, and of no later one."""
        await self._connection.write(_NOTE_OPENED, {"task": task, "at": at, "door": door})

    async def plan(self, task: UUID, step: NextStep) -> bool:
        """Write the next step of a task; a worker's claim on it becomes void. Return False if it is not open."""
        values = {"planned": task, "step": step.kind.value, "number": step.number, "due": step.due_at}
        if (await self._connection.execute(_PLAN, values)).rowcount != 1:
            return False
        await self.tell_workers()
        return True

    async def pause(self, task: UUID, paused: bool) -> None:
        """Pause or resume a task. A paused task keeps its steps, but no message is sent: the number may be another
        person's."""
        await self._update(task, paused=paused)

    async def pause_at(self, phone_hash: bytes, contracts: Sequence[UUID], paused: bool) -> None:
        """Pause or resume the unfinished tasks of this phone in these contracts, which the caller has locked."""
        theirs = select(_OWN.c.id).where(_OWN.c.phone_hash == phone_hash, _OWN.c.contract.in_(contracts))
        left = TASK.c.signer.in_(theirs) & TASK.c.state.in_(_LEFT)
        await self._connection.execute(TASK.update().where(left).values(paused=paused))

    async def claim_due(self, now: datetime, lease: timedelta, limit: int) -> list[ClaimedTask]:
        """Claim due open tasks with a lease; concurrent callers get different ones. `now` is on the planning clock."""
        due = (
            select(TASK.c.id)
            .where(is_due(now))
            .order_by(TASK.c.claimable_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
            .prefix_with("MATERIALIZED")
        )
        statement = TASK.update().where(TASK.c.id == due.c.id).values(leased_until=now + lease).returning(TASK)
        rows = await self._connection.execute(statement)
        return [ClaimedTask(read_task(row), row["leased_until"]) for row in rows]

    async def lease(self, tasks: Sequence[UUID], until: datetime) -> list[ClaimedTask]:
        """Lease these open tasks, whose contracts the caller has locked."""
        statement = TASK.update().where(TASK.c.id.in_(tasks), _OPEN).values(leased_until=until).returning(TASK)
        rows = await self._connection.execute(statement)
        return [ClaimedTask(read_task(row), row["leased_until"]) for row in rows]

    async def put_back(self, claimed: ClaimedTask, until: datetime) -> bool:
        """Let no worker claim the task before `until`; its due time stays. Return False if the claim is not valid."""
        mine = (TASK.c.id == claimed.task.id) & (TASK.c.leased_until == claimed.leased_until) & _OPEN
        statement = TASK.update().where(mine).values(leased_until=until)
        return (await self._connection.execute(statement)).rowcount == 1

    async def count_overdue(self, before: datetime, at_most: int) -> int:
        """Return how many open tasks have been claimable since before `before`, counting no further than `at_most`."""
        some = select(TASK.c.id).where(_OPEN, TASK.c.claimable_at < before).limit(at_most).subquery()
        return await self._connection.count(some)

    async def find_earliest_due(self) -> datetime | None:
        """Return when the earliest step is due; None if there is none, or while sending is paused."""
        row = (await self._connection.read_with_writes(_EARLIEST_DUE)).first()
        return row["claimable_at"] if row else None

    async def tell_workers(self) -> None:
        """Wake every sleeping worker once this transaction has committed."""
        self._connection.notify(PLAN_CHANGED)

    async def _update(self, task: UUID, **values: Any) -> None:
        await self._connection.write(update_row(TASK, *values), changed(task, values))


def is_due(now: Any) -> ColumnElement[bool]:
    """Return the SQL condition of an open task that is due, with a step this version knows; never during a pause."""
    return and_(_OPEN, TASK.c.claimable_at <= now, _KNOWN, is_not_paused())


def _step_values(step: NextStep | None) -> dict[str, Any]:
    if step is None:
        return {"next_step": None, "step_number": 0, "next_due_at": None}
    return {"next_step": step.kind.value, "step_number": step.number, "next_due_at": step.due_at}


def read_task(row: Row | Mapping[str, Any]) -> SigningTask:
    """Return the task of a row of the tasks' table."""
    hidden = {"next_step", "step_number", "next_due_at", "leased_until", "claimable_at"}
    values = {name: value for name, value in row.items() if name not in hidden}
    kind = row["next_step"] if row["next_step"] in _KINDS else None  # a step of a newer version
    step = NextStep(StepKind(kind), row["step_number"], row["next_due_at"]) if kind else None
    return SigningTask(**(values | {"state": TaskState(row["state"]), "step": step}))
