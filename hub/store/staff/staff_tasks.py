"""Staff tasks: problems that only a person can settle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.contract.contract import ContractState
from hub.model.contract.signer import TaskState
from hub.model.staff.accounts import StaffTask
from hub.model.staff.task_outcome import MOOT_WHEN, SETTLED, MootWhen, TaskEnd
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT, SIGNER, SIGNING_TASK as SIGNING
from hub.store.tables.staff import STAFF_TASK as TASK

_FINAL = [state.value for state in ContractState if state.final]
_UNSIGNED = (TaskState.WAITING.value, TaskState.OPEN.value)
_TASK = [TASK.c[name] for name in StaffTask.__dataclass_fields__]

_ABOUT = TASK.c.signer == any_(bindparam("about", type_=ARRAY(Uuid())))
_FINISH = SqlStatement(
    TASK.update()
    .where(_ABOUT, TASK.c.kind == bindparam("of_kind"), TASK.c.done_at.is_(None))
    .values(done_at=bindparam("at"), done_by=bindparam("by"))
)


@dataclass(frozen=True)
class TaskFilter:
    """A filter for tasks: about one contract, of one owner, of one kind; None for all."""

    contract: UUID | None = None
    owner: UUID | None = None
    kind: str | None = None


class StaffTasks(Repository):
    async def add_task(self, task: StaffTask) -> None:
        await self._connection.execute(insert(TASK).values(_columns(task)))

    async def add_task_once(self, task: StaffTask, *, same_text: bool = False) -> bool:
        """Add a task, unless an open one of this kind exists for the same contract and signer. Return whether it was
        added.

        With `same_text`, only an open task with the same text prevents it. Of concurrent calls, one adds the task and
        the others wait for it.
        """
        same = (TASK.c.kind == task.kind) & TASK.c.contract.is_not_distinct_from(task.contract)
        same &= TASK.c.signer.is_not_distinct_from(task.signer) & TASK.c.done_at.is_(None)
        if same_text:
            same &= TASK.c.text == task.text
        if await self._connection.scalar(select(func.count()).select_from(TASK).where(same)):
            return False
        values = _columns(task) | {"once": _once(task, same_text)}
        adding = insert(TASK).values(values)
        adding = adding.on_conflict_do_nothing(index_elements=["once"], index_where=TASK.c.done_at.is_(None))
        return (await self._connection.execute(adding)).rowcount == 1

    async def has_had_task(self, signer: UUID, kind: str, since: datetime) -> bool:
        """Return whether there is or was a task of this kind about this signer, created at `since` or later."""
        found = (TASK.c.signer == signer) & (TASK.c.kind == kind) & (TASK.c.created_at >= since)
        return await self._connection.scalar(select(TASK.c.id).where(found).limit(1)) is not None

    async def list_open_tasks(
        self, contract: UUID | None = None, owner: UUID | None = None, limit: int = 100
    ) -> list[StaffTask]:
        """Return open tasks in the order of their due time. Tasks without a due time come last."""
        return await self.list_open(TaskFilter(contract, owner), limit)

    async def list_open(self, wanted: TaskFilter, limit: int, skipped: int = 0) -> list[StaffTask]:
        """Return open tasks in the order of their due time, after the first `skipped`."""
        urgency = (TASK.c.due_at.asc().nulls_last(), TASK.c.created_at, TASK.c.id)
        statement = select(*_TASK).where(TASK.c.done_at.is_(None), *_conditions(wanted)).order_by(*urgency)
        rows = await self._connection.execute(statement.offset(skipped).limit(limit))
        return [StaffTask(**row) for row in rows]

    async def list_done(self, wanted: TaskFilter, limit: int, skipped: int = 0) -> list[StaffTask]:
        """Return finished tasks, the latest first, after the first `skipped`."""
        statement = select(*_TASK).where(TASK.c.done_at.is_not(None), *_conditions(wanted))
        statement = statement.order_by(TASK.c.done_at.desc(), TASK.c.id.desc()).offset(skipped).limit(limit)
        return [StaffTask(**row) for row in await self._connection.execute(statement)]

    async def count_open_by_kind(self, owner: UUID | None) -> dict[str, int]:
        """Return the numbers of open tasks (of this owner) by kind, the largest first."""
        mine = (TASK.c.done_at.is_(None), *_conditions(TaskFilter(owner=owner)))
        statement = select(TASK.c.kind, func.count()).where(*mine).group_by(TASK.c.kind)
        rows = await self._connection.execute(statement.order_by(func.count().desc(), TASK.c.kind))
        return {row[0]: int(row[1]) for row in rows}

    async def count_open_tasks(self, owner: UUID) -> tuple[int, int]:
        """Return the number of open tasks, and how many of them belong to this owner."""
        theirs = func.count().filter(TASK.c.owner == owner)
        row = (await self._connection.execute(select(func.count(), theirs).where(TASK.c.done_at.is_(None)))).one()
        return row[0], row[1]

    async def find_task(self, task: UUID) -> StaffTask | None:
        return await self._connection.find(lambda row: StaffTask(**row), select(*_TASK).where(TASK.c.id == task))

    async def has_questions_at(self, phone_hash: bytes, kinds: Sequence[str], besides: Sequence[UUID] = ()) -> bool:
        """Return whether open tasks of these kinds concern signers with this phone, other than `besides`."""
        asked = (SIGNER.c.phone_hash == phone_hash) & TASK.c.kind.in_(kinds) & TASK.c.done_at.is_(None)
        statement = select(TASK.c.id).join(SIGNER, SIGNER.c.id == TASK.c.signer).where(asked)
        return await self._connection.scalar(statement.where(SIGNER.c.id.not_in(besides)).limit(1)) is not None

    async def finish_task(self, task: UUID, by: str, at: datetime, end: TaskEnd = SETTLED) -> bool:
        """Finish a task. Return False if it was already finished."""
        mine = (TASK.c.id == task) & TASK.c.done_at.is_(None)
        values = {"done_at": at, "done_by": by, "outcome": end.outcome.value, "note": end.note or None}
        return (await self._connection.execute(TASK.update().where(mine).values(values))).rowcount == 1

    async def finish_about(self, kind: str, address: str, how: tuple[str, TaskEnd], at: datetime) -> None:
        """Finish the open tasks of this kind whose text ends with this address. `how`: by whom, and the outcome."""
        by, end = how
        mine = (TASK.c.kind == kind) & TASK.c.done_at.is_(None) & TASK.c.text.endswith(f"\n{address}", autoescape=True)
        values = {"done_at": at, "done_by": by, "outcome": end.outcome.value}
        await self._connection.execute(TASK.update().where(mine).values(values))

    async def list_moot(self, limit: int) -> list[UUID]:
        """Return open tasks that have become unnecessary, as `MOOT_WHEN` says, oldest first."""
        over = func.coalesce(CONTRACT.c.completed_at, CONTRACT.c.ended_at)
        ended = CONTRACT.c.state.in_(_FINAL) & (over > TASK.c.created_at)
        signs = exists().where(SIGNING.c.signer == TASK.c.signer, SIGNING.c.state.in_(_UNSIGNED))
        since = CONTRACT.c.state.not_in(_FINAL) | (over > TASK.c.created_at)
        rules = {
            MootWhen.SIGNER_DONE: TASK.c.signer.is_not(None) & ~signs & since,
            MootWhen.CONTRACT_OVER: ended,
            MootWhen.REPLACED: CONTRACT.c.replaced_by.is_not(None),
        }
        moot = or_(*(TASK.c.kind.in_(_kinds(when)) & rule for when, rule in rules.items()))
        joined = TASK.join(CONTRACT, CONTRACT.c.id == TASK.c.contract)
        statement = select(TASK.c.id).select_from(joined).where(TASK.c.done_at.is_(None), moot)
        return await self._connection.scalars(statement.order_by(TASK.c.created_at, TASK.c.id).limit(limit))

    async def finish_tasks_of(self, signers: Sequence[UUID], kind: str, by: str, at: datetime) -> None:
        """Finish the open tasks of this kind about these signers, who have made them unnecessary by an act.

        Call this before the record is locked, because finishing a single task locks it before the record, without the
        contract's lock.
        """
        await self._connection.write(_FINISH, {"about": list(signers), "of_kind": kind, "by": by, "at": at})

    async def forget_words(self, contract: UUID, words: Sequence[str]) -> None:
        """Replace erased texts in the tasks of a contract by a dash, and delete the digest (`once`) of these tasks."""
        for each in words:
            quoting = (TASK.c.contract == contract) & (func.strpos(TASK.c.text, each) > 0)
            without = func.replace(TASK.c.text, each, "–")
            await self._connection.execute(TASK.update().where(quoting).values(text=without, once=None))
            noted = (TASK.c.contract == contract) & (func.strpos(TASK.c.note, each) > 0)
            await self._connection.execute(TASK.update().where(noted).values(note=func.replace(TASK.c.note, each, "–")))


def _conditions(wanted: TaskFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.contract:
        yield TASK.c.contract == wanted.contract
    if wanted.owner:
        yield TASK.c.owner == wanted.owner
    if wanted.kind:
        yield TASK.c.kind == wanted.kind


def _kinds(when: MootWhen) -> list[str]:
    return [kind for kind, rule in MOOT_WHEN.items() if rule is when]


def _columns(task: StaffTask) -> dict[str, Any]:
    return {name: getattr(task, name) for name in StaffTask.__dataclass_fields__}


def _once(task: StaffTask, same_text: bool) -> bytes:
    """Return a digest that is the same for two tasks if one of them is enough."""
    about = [task.kind, str(task.contract), str(task.signer), *([task.text] if same_text else [])]
    return hashlib.sha256(json.dumps(about).encode()).digest()
