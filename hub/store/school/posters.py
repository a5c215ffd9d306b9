"""Posters, found by the hash of their ticket, and the scans of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import NotFound
from hub.model.school.poster import (
    Poster,
    PosterEnrolment,
    PosterMode,
    PosterScan,
    ScanStep,
    derive_poster_ticket,
    hash_poster_ticket,
)
from hub.store.encryption.keys import Keys
from hub.store.kernel.connection import Connection, Row
from hub.store.tables.school import ENROLMENT, POSTER, POSTER_SCAN as SCAN

# After this many scans of a poster within an hour, openings are not added any more. Anybody can cause them, and they
# are never deleted.
MAX_SCANS_AN_HOUR = 2000


class Posters:
    def __init__(self, connection: Connection, keys: Keys) -> None:
        self._connection = connection
        self._key = keys.link

    def ticket(self, poster: Poster) -> str:
        return derive_poster_ticket(self._key, poster.id)

    async def add(self, poster: Poster) -> None:
        values: dict[str, Any] = {name: getattr(poster, name) for name in Poster.__dataclass_fields__}
        values |= {"courses": list(poster.courses), "allowed": sorted(poster.allowed), "mode": poster.mode.value}
        values |= {"ticket_hash": hash_poster_ticket(self._key, self.ticket(poster))}
        await self._connection.execute(insert(POSTER).values(values))

    async def find_by_ticket(self, ticket: str) -> Poster | None:
        """Return the poster of a ticket, as `normalise_ticket` returns it, even an expired or revoked one."""
        found = POSTER.c.ticket_hash == hash_poster_ticket(self._key, ticket)
        return await self._connection.find(_poster, select(POSTER).where(found))

    async def get(self, poster: UUID, *, lock: bool = False) -> Poster:
        """Return a poster. Raises NotFound, also outside the scope.

        `lock`: enrolments by this poster and its revocation wait until this transaction ends.
        """
        statement = select(POSTER).where(POSTER.c.id == poster)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        if row is None:
            raise NotFound("there is no such poster")
        return _poster(row)

    async def list_posters(self) -> list[Poster]:
        """Return the newest 200 posters, newest first."""
        statement = select(POSTER).order_by(POSTER.c.created_at.desc(), POSTER.c.id).limit(200)
        return [_poster(row) for row in (await self._connection.execute(statement))]

    async def revoke(self, poster: UUID, at: datetime) -> bool:
        """Revoke a poster. Return False if it was revoked before."""
        standing = (POSTER.c.id == poster) & POSTER.c.revoked_at.is_(None)
        done = await self._connection.execute(POSTER.update().where(standing).values(revoked_at=at))
        return done.rowcount == 1

    # ---- scans

    async def add_scan(self, scan: PosterScan, at: datetime) -> bool:
        """Add a scan. Return False, and write nothing, if this student (`student_hash`) has already enrolled by this
        poster. An opening is not added either if there were MAX_SCANS_AN_HOUR scans within an hour."""
        if scan.step is ScanStep.OPENED and await self._count_recent(scan.poster.id, at) >= MAX_SCANS_AN_HOUR:
            return False
        values = {"poster": scan.poster.id, "campus": scan.poster.campus, "step": scan.step.value, "at": at}
        values |= {"visitor": scan.visitor, "enrolment": scan.enrolment, "contract": scan.contract}
        statement = insert(SCAN).values(values | {"student_hash": scan.student_hash})
        return (await self._connection.execute(statement.on_conflict_do_nothing())).rowcount == 1

    async def get_counts(self, posters: Sequence[UUID]) -> dict[UUID, dict[ScanStep, int]]:
        """Return for each of these posters how many visitors reached each step, 0 included."""
        counted: dict[UUID, dict[ScanStep, int]] = {each: dict.fromkeys(ScanStep, 0) for each in posters}
        statement = select(SCAN.c.poster, SCAN.c.step, func.count()).where(SCAN.c.poster.in_(posters))
        for poster, step, count in await self._connection.execute(statement.group_by(SCAN.c.poster, SCAN.c.step)):
            counted[poster][ScanStep(step)] = int(count)
        return counted

    async def count_enrolled(self, poster: UUID) -> int:
        enrolled = select(func.count()).select_from(SCAN).where(_enrolled(poster))
        return int(await self._connection.scalar(enrolled) or 0)

    async def _count_recent(self, poster: UUID, now: datetime) -> int:
        since = (SCAN.c.poster == poster) & (SCAN.c.at > now - timedelta(hours=1))
        recent = select(SCAN.c.id).where(since).limit(MAX_SCANS_AN_HOUR).subquery()
        return int(await self._connection.scalar(select(func.count()).select_from(recent)) or 0)

    async def has_student(self, poster: UUID, student_hash: bytes) -> bool:
        same = (SCAN.c.poster == poster) & (SCAN.c.student_hash == student_hash)
        return await self._connection.scalar(select(SCAN.c.id).where(same).limit(1)) is not None

    async def has_enrolled(self, poster: UUID, visitor: UUID) -> bool:
        """Return whether this visitor of the poster has enrolled a student."""
        mine = _enrolled(poster) & (SCAN.c.visitor == visitor)
        return await self._connection.scalar(select(SCAN.c.id).where(mine).limit(1)) is not None

    async def has_drawn(self, poster: UUID, contract: UUID) -> bool:
        """Return whether this contract was created by this poster."""
        same = _enrolled(poster) & (SCAN.c.contract == contract)
        return await self._connection.scalar(select(SCAN.c.id).where(same).limit(1)) is not None

    async def list_enrolments(self, poster: UUID, limit: int = 500) -> list[PosterEnrolment]:
        """Return the enrolments by a poster, newest first, with their contracts, whether drawn at once or by staff."""
        contract = func.coalesce(SCAN.c.contract, ENROLMENT.c.contract)
        statement = select(SCAN.c.at, SCAN.c.enrolment, contract).join(ENROLMENT, ENROLMENT.c.id == SCAN.c.enrolment)
        newest = statement.where(SCAN.c.poster == poster).order_by(SCAN.c.id.desc()).limit(limit)
        return [PosterEnrolment(*row) for row in await self._connection.execute(newest)]


def _enrolled(poster: UUID) -> ColumnElement[bool]:
    """Return the condition for the enrolments by a poster. An index contains only these, so it stays small however
    often the poster is opened."""
    return (SCAN.c.poster == poster) & SCAN.c.student_hash.is_not(None)


def _poster(row: Row) -> Poster:
    values = {name: row[name] for name in Poster.__dataclass_fields__}
    values |= {"courses": tuple(row["courses"]), "allowed": frozenset(row["allowed"]), "mode": PosterMode(row["mode"])}
    return Poster(**values)
