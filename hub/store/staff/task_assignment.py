"""Owners of staff tasks: who has to finish a task, until when, and to whom it passes if nobody takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select

from hub.model.staff.accounts import Staff, StaffTask
from hub.store.kernel.repository import Repository
from hub.store.staff.accounts import read_staff
from hub.store.tables.staff import STAFF, STAFF_DIRECTORY, STAFF_TASK as TASK

_OPEN = TASK.c.done_at.is_(None)


@dataclass(frozen=True)
class Load:
    """The open tasks of one member of staff. `told_on`: the day of their last digest."""

    staff: Staff
    open: int
    overdue: int
    first_owned_at: datetime
    told_on: date | None


class Owners(Repository):
    # ---- staff who are not disabled, at any campus

    async def find_named(self, login: str) -> Staff | None:
        statement = select(STAFF_DIRECTORY).where(STAFF_DIRECTORY.c.login == login, _LISTED)
        return await self._connection.find(read_staff, statement)

    async def list_at(self, campuses: Sequence[str]) -> list[Staff]:
        """Return the active staff of these campuses, sorted by name."""
        there = select(STAFF_DIRECTORY).where(_LISTED, STAFF_DIRECTORY.c.campus.in_(campuses))
        rows = await self._connection.execute(there.order_by(STAFF_DIRECTORY.c.name, STAFF_DIRECTORY.c.login))
        return [read_staff(row) for row in rows]

    # ---- tasks

    async def lock_tasks_without(self) -> list[StaffTask]:
        """Lock and return open tasks that have no owner yet."""
        mine = _OPEN & TASK.c.owner.is_(None) & TASK.c.due_at.is_(None)
        return await self._taken(mine)

    async def lock_not_taken(self, now: datetime) -> list[StaffTask]:
        """Lock and return open tasks that their owners have not taken in time."""
        left = _OPEN & TASK.c.taken_at.is_(None) & TASK.c.climbed_at.is_(None) & (TASK.c.climbs_at <= now)
        return await self._taken(left)

    async def _taken(self, found: ColumnElement[bool]) -> list[StaffTask]:
        statement = select(*_TASK).where(found).order_by(TASK.c.created_at).limit(50)
        rows = await self._connection.execute(statement.with_for_update(skip_locked=True))
        return [StaffTask(**row) for row in rows]

    async def give(self, task: UUID, owner: UUID | None, at: datetime, due_at: datetime, climbs_at: datetime) -> None:
        await self._update(TASK.c.id == task, owner=owner, owned_at=at, due_at=due_at, climbs_at=climbs_at)

    async def pass_up(self, task: UUID, owner: UUID | None, at: datetime) -> None:
        await self._update(TASK.c.id == task, owner=owner, owned_at=at, climbed_at=at)

    async def take(self, task: UUID, owner: UUID, at: datetime) -> bool:
        return await self._update((TASK.c.id == task) & _OPEN, owner=owner, owned_at=at, taken_at=at)

    async def hand(self, task: UUID, owner: UUID, at: datetime, climbs_at: datetime) -> bool:
        """Give a task to another owner, who also has to take it in time. Return False if it is finished."""
        values = {"owner": owner, "owned_at": at, "taken_at": None, "climbed_at": None, "climbs_at": climbs_at}
        return await self._update((TASK.c.id == task) & _OPEN, **values)

    async def finish_of(self, kind: str, signers: Sequence[UUID], at: datetime) -> None:
        """Finish the open tasks of this kind about these signers."""
        await self._update(_OPEN & (TASK.c.kind == kind) & TASK.c.signer.in_(signers), done_at=at, done_by="hub")

    async def _update(self, found: ColumnElement[bool], **values: object) -> bool:
        return (await self._connection.execute(TASK.update().where(found).values(**values))).rowcount > 0

    # ---- the daily digest

    async def list_loads(self, now: datetime) -> list[Load]:
        """Return all active staff with open tasks."""
        counted = (
            func.count().label("open"),
            func.count().filter(TASK.c.due_at < now).label("overdue"),
            func.min(TASK.c.owned_at).label("first_owned_at"),
        )
        statement = select(*_STAFF, STAFF.c.digest_on, *counted).join(TASK, TASK.c.owner == STAFF.c.id)
        statement = statement.where(_OPEN, _ACTIVE).group_by(*_STAFF, STAFF.c.digest_on).order_by(STAFF.c.login)
        rows = await self._connection.execute(statement)
        return [
            Load(read_staff(row), row["open"], row["overdue"], row["first_owned_at"], row["digest_on"]) for row in rows
        ]

    async def note_digest(self, staff: UUID, day: date) -> bool:
        """Note that a member of staff gets the digest of this day. Return False if this was already noted."""
        new = or_(STAFF.c.digest_on.is_(None), STAFF.c.digest_on < day)
        statement = STAFF.update().where(STAFF.c.id == staff, new).values(digest_on=day)
        return (await self._connection.execute(statement)).rowcount == 1


_ACTIVE = STAFF.c.disabled_at.is_(None)
_LISTED = STAFF_DIRECTORY.c.disabled_at.is_(None)
_TASK = [TASK.c[name] for name in StaffTask.__dataclass_fields__]
_STAFF = [STAFF.c[name] for name in Staff.__dataclass_fields__]
