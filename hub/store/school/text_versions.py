"""Versions of contract templates and messages, with their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import TextAlreadyOpen, TextVersionNotFound
from hub.model.school.text_version import CONSOLE_PREFIX, TextKind, TextState, TextVersion, order_texts
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.school import TEXT_VERSION as TEXT

_OF = (TEXT.c.kind == bindparam("kind")) & (TEXT.c.subject == bindparam("subject"))
_IN_FORCE = SqlStatement(select(TEXT).where(_OF, TEXT.c.state == TextState.IN_FORCE.value))
_ALL_IN_FORCE = SqlStatement(
    select(TEXT).where(TEXT.c.kind == bindparam("kind"), TEXT.c.state == TextState.IN_FORCE.value)
)
_OPEN = select(TEXT).where(_OF, TEXT.c.state.in_([TextState.DRAFT.value, TextState.SUBMITTED.value]))
_LAST_NUMBER = SqlStatement(select(func.max(TEXT.c.number)).where(_OF))
_SUPERSEDE = SqlStatement(
    TEXT.update().where(_OF, TEXT.c.state == TextState.IN_FORCE.value).values(state=TextState.SUPERSEDED.value)
)
_PLAIN = ("id", "subject", "number", "base", "texts", "fixed", "note", "revision", "changed_at")
_LATER = ("submitted_by", "submitted_at", "decided_by", "decided_at")


class TextVersions(Repository):
    async def add(self, version: TextVersion) -> TextVersion:
        """Store a new draft under the next number, and return it. Raises TextAlreadyOpen if another version is open."""
        place = {"kind": version.kind.value, "subject": version.subject}
        for row in await self._connection.execute(_OPEN, place):
            raise TextAlreadyOpen(_read(row).label)
        number = (await self._connection.scalar(_LAST_NUMBER, place) or 0) + 1
        values = _values(version) | {"number": number}
        added = await self._connection.execute(insert(TEXT).values(values).on_conflict_do_nothing())
        if not added.rowcount:  # another one was begun at the same moment
            raise TextAlreadyOpen(f"{CONSOLE_PREFIX}{number}")
        return await self.get(version.kind, version.subject, f"{CONSOLE_PREFIX}{number}")

    async def get(self, kind: TextKind, subject: str, label: str, *, lock: bool = False) -> TextVersion:
        """Return a version. Raises TextVersionNotFound."""
        digits = label.removeprefix(CONSOLE_PREFIX)
        if not label.startswith(CONSOLE_PREFIX) or not digits.isascii() or not digits.isdigit() or len(digits) > 6:
            raise TextVersionNotFound
        mine = (TEXT.c.kind == kind.value) & (TEXT.c.subject == subject) & (TEXT.c.number == int(digits))
        statement = select(TEXT).where(mine)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            raise TextVersionNotFound
        return _read(row)

    async def find_in_force(self, kind: TextKind, subject: str) -> TextVersion | None:
        """Return the version in force; None if the text of the files is in force."""
        return await self._connection.find(_read, _IN_FORCE, {"kind": kind.value, "subject": subject})

    async def list_in_force(self, kind: TextKind) -> Sequence[TextVersion]:
        return [_read(row) for row in await self._connection.execute(_ALL_IN_FORCE, {"kind": kind.value})]

    async def list_all(self, kind: TextKind, subject: str | None = None) -> Sequence[TextVersion]:
        """Return all versions, newest first."""
        statement = select(TEXT).where(TEXT.c.kind == kind.value).order_by(TEXT.c.subject, TEXT.c.number.desc())
        if subject is not None:
            statement = statement.where(TEXT.c.subject == subject)
        return [_read(row) for row in await self._connection.execute(statement)]

    async def save(self, version: TextVersion) -> None:
        """Store a version that was locked. If it comes into force, it replaces the version in force before."""
        if version.state is TextState.IN_FORCE:
            place = {"kind": version.kind.value, "subject": version.subject}
            await self._connection.execute(_SUPERSEDE, place)
        await self._connection.execute(TEXT.update().where(TEXT.c.id == version.id).values(_values(version)))


def _values(version: TextVersion) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(version, name) for name in (*_PLAIN, *_LATER)}
    values |= {"kind": version.kind.value, "state": version.state.value, "writers": list(version.writers)}
    return values | {"texts": dict(version.texts), "fixed": dict(version.fixed)}


def _read(row: Row) -> TextVersion:
    values = {name: row[name] for name in (*_PLAIN, *_LATER)} | {"texts": order_texts(row["texts"])}
    return TextVersion(
        kind=TextKind(row["kind"]), state=TextState(row["state"]), writers=tuple(row["writers"]), **values
    )
