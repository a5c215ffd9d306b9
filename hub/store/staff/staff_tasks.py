"""Staff tasks: what only a person can settle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.accounts import StaffTask
from hub.store.kernel.connection import Connection
from hub.store.kernel.statement import SqlStatement
from hub.store.tables import (
    SignerRow,
    StaffTaskRow,
    table_of,
)

TASK: Table = table_of(StaffTaskRow)
SIGNER: Table = table_of(SignerRow)
_TASK = [TASK.c[name] for name in StaffTask.__dataclass_fields__]

_ABOUT = TASK.c.signer == any_(bindparam("about", type_=ARRAY(Uuid())))
_FINISH = SqlStatement(
    TASK.update()
    .where(_ABOUT, TASK.c.kind == bindparam("of_kind"), TASK.c.done_at.is_(None))
    .values(done_at=bindparam("at"), done_by=bindparam("by"))
)


class StaffTasks:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

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

    async def had_task(self, signer: UUID, kind: str, since: datetime) -> bool:
        """Return whether there is or was a task of this kind about this signer, created at `since` or later."""
        found = (TASK.c.signer == signer) & (TASK.c.kind == kind) & (TASK.c.created_at >= since)
        return await self._connection.scalar(select(TASK.c.id).where(found).limit(1)) is not None

    async def open_tasks(
        self, contract: UUID | None = None, owner: UUID | None = None, limit: int = 100
    ) -> list[StaffTask]:
        """Return open tasks in the order of their due time; those without one come last."""
        statement = select(*_TASK).where(TASK.c.done_at.is_(None))
        if contract:
            statement = statement.where(TASK.c.contract == contract)
        if owner:
            statement = statement.where(TASK.c.owner == owner)
        urgency = (TASK.c.due_at.asc().nulls_last(), TASK.c.created_at, TASK.c.id)
        rows = await self._connection.execute(statement.order_by(*urgency).limit(limit))
        return [StaffTask(**row) for row in rows]

    async def count_open_tasks(self, owner: UUID) -> tuple[int, int]:
        """Return the number of open tasks, and how many of them belong to this owner."""
        theirs = func.count().filter(TASK.c.owner == owner)
        row = (await self._connection.execute(select(func.count(), theirs).where(TASK.c.done_at.is_(None)))).one()
        return row[0], row[1]

    async def task(self, task: UUID) -> StaffTask | None:
        row = (await self._connection.execute(select(*_TASK).where(TASK.c.id == task))).first()
        return StaffTask(**row) if row else None

    async def questions_at(self, phone_hash: bytes, kinds: Sequence[str], besides: Sequence[UUID] = ()) -> bool:
        """Return whether open tasks of these kinds concern signers with this phone, other than `besides`."""
        asked = (SIGNER.c.phone_hash == phone_hash) & TASK.c.kind.in_(kinds) & TASK.c.done_at.is_(None)
        statement = select(TASK.c.id).join(SIGNER, SIGNER.c.id == TASK.c.signer).where(asked)
        return await self._connection.scalar(statement.where(SIGNER.c.id.not_in(besides)).limit(1)) is not None

    async def finish_task(self, task: UUID, by: str, at: datetime) -> bool:
        mine = (TASK.c.id == task) & TASK.c.done_at.is_(None)
        return (await self._connection.execute(TASK.update().where(mine).values(done_at=at, done_by=by))).rowcount == 1

    async def finish_tasks_of(self, signers: Sequence[UUID], kind: str, by: str, at: datetime) -> None:
        """Finish the open tasks of this kind about these signers, who have settled them by an act.

        Before the record is locked: whoever finishes one task and records it has no contract.
        """
        await self._connection.write(_FINISH, {"about": list(signers), "of_kind": kind, "by": by, "at": at})

    async def forget_words(self, contract: UUID, words: Sequence[str]) -> None:
        """Replace erased texts in the tasks of a contract by a dash, and delete the digest (`once`) of these tasks."""
        for each in words:
            quoting = (TASK.c.contract == contract) & (func.strpos(TASK.c.text, each) > 0)
            without = func.replace(TASK.c.text, each, "–")
            await self._connection.execute(TASK.update().where(quoting).values(text=without, once=None))


def _columns(task: StaffTask) -> dict[str, Any]:
    return {name: getattr(task, name) for name in StaffTask.__dataclass_fields__}


def _once(task: StaffTask, same_text: bool) -> bytes:
    """Return a digest that is equal for two tasks of which one is enough."""
    about = [task.kind, str(task.contract), str(task.signer), *([task.text] if same_text else [])]
    return hashlib.sha256(json.dumps(about).encode()).digest()
