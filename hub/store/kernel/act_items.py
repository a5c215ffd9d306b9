"""The items of acts on many contracts or enrolments: how often each was tried, which are left, which acts stall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, exists, func, not_, select, true
from sqlalchemy.dialects.postgresql import insert

from hub.model.board.act_progress import ActFailure
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import SqlStatement


@dataclass(frozen=True)
class ActTables:
    """The tables of one kind of act. `subject`: the column with the contract or enrolment of an item. `verdict`: the
    column with its result; an item without a verdict is still to be done."""

    act: Table
    item: Table
    subject: str
    verdict: str

    @property
    def left(self) -> ColumnElement[bool]:
        return self.item.c[self.verdict].is_(None)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of an item with which an act begins."""
        return ("act", self.subject, "campus", "ordinal")

    @cached_property
    def failure(self) -> EncryptedColumn:
        return EncryptedColumn.of(self.item.c.failure_sealed)

    @cached_property
    def add_items(self) -> SqlStatement:
        return insert_many(self.item, self.columns)

    def is_item(self, act: UUID, subject: UUID) -> ColumnElement[bool]:
        return (self.item.c.act == act) & (self.item.c[self.subject] == subject)


class ActItems(EncryptedRepository):
    """The base class of the stores of such acts. `tables`: the tables of this kind of act."""

    tables: ActTables

    @property
    def is_ready(self) -> ColumnElement[bool]:
        """The SQL condition that an act may be carried out."""
        return true()

    async def _store(self, values: Mapping[str, Any], items: Iterable[tuple[UUID, str]]) -> bool:
        """Store an act with its items (subject and campus), in this order. Return False, and change nothing, if it has
        already begun. A second click waits for the first one."""
        of = self.tables
        if not (await self._connection.execute(insert(of.act).values(values).on_conflict_do_nothing())).rowcount:
            return False
        rows = [
            {"act": values["id"], of.subject: subject, "campus": campus, "ordinal": ordinal}
            for ordinal, (subject, campus) in enumerate(items)
        ]
        await self._connection.execute(of.add_items, arrays_of(of.columns, rows))
        return True

    async def _list_recent(self, since: datetime, limit: int) -> list[Row]:
        """Return the acts that were requested since `since`, newest first."""
        act = self.tables.act
        statement = select(act).where(act.c.asked_at >= since).order_by(act.c.asked_at.desc(), act.c.id).limit(limit)
        return list(await self._connection.execute(statement))

    async def list_left(self, act: UUID, limit: int) -> list[UUID]:
        """Return the subjects of the next items without a verdict."""
        of = self.tables
        mine = select(of.item.c[of.subject]).where(of.item.c.act == act, of.left)
        return await self._connection.scalars(mine.order_by(of.item.c.ordinal).limit(limit))

    async def list_stalled(self, before: datetime) -> list[UUID]:
        """Return acts that have items left, but none that got a verdict since `before`."""
        act, item = self.tables.act, self.tables.item
        left = exists().where(item.c.act == act.c.id, self.tables.left)
        moving = select(item.c.act).where(item.c.act == act.c.id, item.c.ended_at >= before).exists()
        statement = select(act.c.id).where(act.c.asked_at < before, self.is_ready, left, not_(moving)).limit(20)
        return await self._connection.scalars(statement)

    async def count_verdicts(self, act: UUID) -> tuple[int, dict[str, int]]:
        """Return how many items are left, and the number of the other items by verdict."""
        verdict = self.tables.item.c[self.tables.verdict]
        statement = select(verdict, func.count()).where(self.tables.item.c.act == act).group_by(verdict)
        counts = {row[0]: int(row[1]) for row in await self._connection.execute(statement)}
        return counts.pop(None, 0), counts

    async def count_try(self, act: UUID, subject: UUID) -> int | None:
        """Count a try. Return the number of tries so far; None if the item already has a verdict."""
        item = self.tables.item
        mine = item.update().where(self.tables.is_item(act, subject) & self.tables.left)
        tries = await self._connection.scalar(mine.values(tries=item.c.tries + 1).returning(item.c.tries))
        return None if tries is None else int(tries)

    async def forget_try(self, act: UUID, subject: UUID) -> None:
        """Take back the last try, which failed only because a service that the hub needs was unavailable."""
        item = self.tables.item
        mine = item.update().where(self.tables.is_item(act, subject))
        await self._connection.execute(mine.values(tries=item.c.tries - 1))

    async def lock_item(self, act: UUID, subject: UUID) -> bool:
        """Lock an item until the end of the transaction. Return False if it already has a verdict."""
        mine = self.tables.is_item(act, subject) & self.tables.left
        locked = select(self.tables.item.c.ordinal).where(mine).with_for_update()
        return await self._connection.scalar(locked) is not None

    async def _end(
        self, act: UUID, subject: UUID, verdict: str, failure: ActFailure | None, more: Mapping[str, Any]
    ) -> None:
        """Write the verdict on an item that has none. `more`: the values of further columns."""
        of, encrypted = self.tables, None
        if failure:
            encrypted = self._cipher.encrypt_json(asdict(failure), of.failure.at(act, subject))
        values = {of.verdict: verdict, "failure_sealed": encrypted, **more}
        await self._connection.execute(of.item.update().where(of.is_item(act, subject) & of.left).values(values))

    def _failure(self, act: UUID, row: Row) -> ActFailure | None:
        """Return why the item of this row failed; None if it did not."""
        encrypted = row["failure_sealed"]
        name = self.tables.failure.at(act, row[self.tables.subject])
        return ActFailure(**self._cipher.decrypt_json(encrypted, name)) if encrypted else None
