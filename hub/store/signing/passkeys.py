"""Passkeys of persons."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.signing.passkey import Passkey
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.tables.signing import PASSKEY


class Passkeys(Repository):
    async def add(self, passkey: Passkey) -> bool:
        """Add a passkey. Return False if this credential is already registered, by anybody."""
        values = {name: getattr(passkey, name) for name in _FIELDS}
        done = await self._connection.execute(insert(PASSKEY).values(values).on_conflict_do_nothing())
        return done.rowcount == 1

    async def list_of_person(self, person: str, rp_id: str) -> list[Passkey]:
        """Return the valid passkeys of a person, newest first."""
        rows = await self._connection.execute(
            select(PASSKEY).where(_counts(person, rp_id)).order_by(PASSKEY.c.created_at.desc())
        )
        return [_passkey(row) for row in rows]

    async def count_made(self, person: str) -> int:
        """Return how many passkeys this person has ever registered, including ended ones."""
        return await self._connection.count(PASSKEY, PASSKEY.c.person == person)

    async def lock(self, credential_id: bytes, person: str, rp_id: str) -> Passkey | None:
        """Lock a valid passkey and return it, or None. Of concurrent answers, each sees the counter of the last."""
        found = select(PASSKEY).where(PASSKEY.c.credential_id == credential_id, _counts(person, rp_id))
        return await self._connection.find(_passkey, found.with_for_update())

    async def note_used(self, passkey: UUID, counter: int, at: datetime) -> None:
        await self._update(PASSKEY.c.id == passkey, counter=counter, used_at=at)

    async def end(self, passkey: UUID, at: datetime) -> None:
        await self._update(PASSKEY.c.id == passkey, ended_at=at)

    async def end_all(self, person: str, at: datetime) -> None:
        await self._update((PASSKEY.c.person == person) & PASSKEY.c.ended_at.is_(None), ended_at=at)

    async def _update(self, which: ColumnElement[bool], **values: Any) -> None:
        await self._connection.execute(PASSKEY.update().where(which).values(**values))


_FIELDS = set(Passkey.__dataclass_fields__)


def _counts(person: str, rp_id: str) -> ColumnElement[bool]:
    return (PASSKEY.c.person == person) & (PASSKEY.c.rp_id == rp_id) & PASSKEY.c.ended_at.is_(None)


def _passkey(row: Row) -> Passkey:
    return Passkey(**{name: row[name] for name in _FIELDS})
