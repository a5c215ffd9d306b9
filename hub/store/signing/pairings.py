"""Pairings of a page with a program on the signer's own computer. A pairing is found by the keyed hash of its code."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.signing.pairing import Pairing
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.signing import PAIRING, SIGNING_SESSION as SESSION

_LIVE = PAIRING.c.ended_at.is_(None)


class Pairings(EncryptedRepository):
    async def add(self, pairing: Pairing, code: str) -> None:
        """Add a pairing, and end the earlier ones of the same page."""
        await self.end_all(pairing.session, pairing.created_at)
        values = {name: getattr(pairing, name) for name in _FIELDS}
        await self._connection.execute(insert(PAIRING).values(values | {"code_hash": self._hash(code)}))

    async def claim(self, code: str, agent: UUID, at: datetime) -> Pairing | None:
        """Claim the pairing of a code and return it. If two programs claim it at the same moment, only one gets it."""
        free = (PAIRING.c.code_hash == self._hash(code)) & PAIRING.c.claimed_at.is_(None) & _LIVE
        statement = PAIRING.update().where(free, PAIRING.c.expires_at > at).values(claimed_at=at, agent=agent)
        return await self._connection.find(_pairing, statement.returning(PAIRING))

    async def find_claimed(self, code: str) -> Pairing | None:
        """Return the pairing whose code was claimed already."""
        mine = (PAIRING.c.code_hash == self._hash(code)) & PAIRING.c.claimed_at.is_not(None)
        return await self._connection.find(_pairing, select(PAIRING).where(mine).limit(1))

    async def get(self, pairing: UUID) -> Pairing | None:
        return await self._connection.find(_pairing, select(PAIRING).where(PAIRING.c.id == pairing))

    async def find_latest(self, session: UUID) -> Pairing | None:
        statement = select(PAIRING).where(PAIRING.c.session == session).order_by(PAIRING.c.created_at.desc())
        return await self._connection.find(_pairing, statement.limit(1))

    async def store_certificate(self, pairing: UUID, certificate: bytes) -> None:
        """Store the certificate with which the program signs from now on. An earlier confirmation becomes void."""
        await self._update(pairing, certificate=certificate, confirmed_at=None)

    async def confirm(self, pairing: UUID, certificate: bytes, at: datetime) -> bool:
        """Confirm the certificate. Return False if the pairing has ended, or the program has another certificate."""
        same = (PAIRING.c.id == pairing) & (PAIRING.c.certificate == certificate) & _LIVE
        return (await self._connection.execute(PAIRING.update().where(same).values(confirmed_at=at))).rowcount == 1

    async def end_all(self, session: UUID, at: datetime) -> bool:
        """End the pairings of a page, and the sessions of their programs. Return False if none was left to end."""
        theirs = PAIRING.update().where(PAIRING.c.session == session, _LIVE).values(ended_at=at)
        agents = list(await self._connection.scalars(theirs.returning(PAIRING.c.agent)))
        ended = SESSION.update().where(SESSION.c.id.in_([agent for agent in agents if agent]))
        await self._connection.execute(ended.values(expires_at=SESSION.c.created_at))
        return bool(agents)

    async def _update(self, pairing: UUID, **values: Any) -> None:
        await self._connection.execute(PAIRING.update().where(PAIRING.c.id == pairing).values(**values))

    def _hash(self, code: str) -> bytes:
        return self._cipher.found_by("pairing", code)


_FIELDS = set(Pairing.__dataclass_fields__)


def _pairing(row: Row) -> Pairing:
    return Pairing(**{name: row[name] for name in _FIELDS})
