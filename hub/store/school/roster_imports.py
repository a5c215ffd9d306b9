"""Imports of rosters: the enrolments that each has added, and those among them that nobody has used since."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, exists, func, not_, or_, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.errors import ImportUndone
from hub.model.school.roster_import import KeptBecause, KeptEnrolment, RosterImport
from hub.store.kernel.repository import Repository
from hub.store.tables.school import ENROLMENT, ISSUE_ITEM as ITEM, ROSTER_IMPORT as IMPORT

_FIELDS = tuple(RosterImport.__dataclass_fields__)
_IS_BEING_ISSUED = exists().where(ITEM.c.enrolment == ENROLMENT.c.id, ITEM.c.outcome.is_(None))
_IS_USED = or_(ENROLMENT.c.contract.is_not(None), ENROLMENT.c.changed_at.is_not(None), _IS_BEING_ISSUED)
_BECAUSE = case(
    (ENROLMENT.c.contract.is_not(None), KeptBecause.ISSUED.value),
    (ENROLMENT.c.changed_at.is_not(None), KeptBecause.CHANGED.value),
    else_=KeptBecause.BEING_ISSUED.value,
)


class RosterImports(Repository):
    async def begin(self, wanted: RosterImport) -> UUID:
        """Add an import. Return its id, or the id of an earlier import of the same upload, which is continued."""
        values = {name: getattr(wanted, name) for name in _FIELDS}
        statement = insert(IMPORT).values(values).on_conflict_do_nothing()
        await self._connection.execute(statement)
        if wanted.upload is None:
            return wanted.id
        same = (IMPORT.c.upload == wanted.upload) & IMPORT.c.undone_at.is_(None)
        standing = select(IMPORT.c.id).where(same)
        found: UUID = (await self._connection.execute(standing)).one()[0]
        return found

    async def find(self, roster_import: UUID, *, lock: bool = False) -> RosterImport | None:
        """Return an import. `lock`: until the end of the transaction, so that adding and undoing take turns."""
        mine = select(*(IMPORT.c[name] for name in _FIELDS)).where(IMPORT.c.id == roster_import)
        return await self._connection.find(lambda row: RosterImport(**row), mine.with_for_update() if lock else mine)

    async def lock_standing(self, roster_import: UUID) -> None:
        """Lock the import to add to it. Raises ImportUndone."""
        found = await self.find(roster_import, lock=True)
        if found is None or found.undone_at:
            raise ImportUndone

    async def lock_imports(self) -> None:
        """Lock the adding of many enrolments until this transaction ends: two lists may name the same students in
        different orders, and cause a deadlock."""
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('roster', 3))"))

    async def list_imports(self) -> list[RosterImport]:
        """Return the newest imports."""
        columns = [IMPORT.c[name] for name in _FIELDS]
        statement = select(*columns).order_by(IMPORT.c.created_at.desc(), IMPORT.c.id.desc()).limit(20)
        return [RosterImport(**row) for row in await self._connection.execute(statement)]

    async def count_added(self, roster_import: UUID, added: int) -> None:
        mine = IMPORT.update().where(IMPORT.c.id == roster_import)
        await self._connection.execute(mine.values(added=IMPORT.c.added + added))

    async def finish(self, roster_import: UUID, good: int, refused: int) -> None:
        """Write how many rows of the file were `good` (added now or earlier, or already enrolled) and `refused`."""
        mine = IMPORT.update().where(IMPORT.c.id == roster_import)
        already = func.greatest(good - IMPORT.c.added, 0)
        await self._connection.execute(mine.values(already=already, refused=refused))

    # ---- undoing

    async def delete_unused(self, roster_import: UUID) -> int:
        """Delete the enrolments of this import that nobody has used. Return how many. Wait for transactions that are
        issuing one of them at this moment."""
        mine = and_(ENROLMENT.c.roster_import == roster_import, not_(_IS_USED))
        return (await self._connection.execute(ENROLMENT.delete().where(mine))).rowcount

    async def mark_undone(self, roster_import: UUID, by: str, at: datetime, removed: int) -> None:
        mine = IMPORT.update().where(IMPORT.c.id == roster_import)
        await self._connection.execute(mine.values(undone_at=at, undone_by=by, removed=removed))

    async def list_kept(self, roster_import: UUID, limit: int) -> list[KeptEnrolment]:
        """Return the enrolments of this import that would stay or have stayed, in the order of the roster."""
        columns = (ENROLMENT.c.id, ENROLMENT.c.student_name, _BECAUSE, ENROLMENT.c.contract)
        mine = select(*columns).where(ENROLMENT.c.roster_import == roster_import, _IS_USED)
        rows = await self._connection.execute(mine.order_by(ENROLMENT.c.place).limit(limit))
        return [KeptEnrolment(row[0], row[1], KeptBecause(row[2]), row[3]) for row in rows]

    async def count_kept(self, roster_import: UUID) -> int:
        mine = and_(ENROLMENT.c.roster_import == roster_import, _IS_USED)
        return await self._connection.count(ENROLMENT, mine)
