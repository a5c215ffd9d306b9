"""Visitors: sessions of people without a link of their own, found by the hash of their secret."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.school.guest import Visitor
from hub.model.signing.session import hash_secret
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.school import VISITOR

_PHONE, _NAME = EncryptedColumn.of(VISITOR.c.phone_sealed), EncryptedColumn.of(VISITOR.c.name_sealed)
# Ended sessions are deleted after this time, since they contain phone numbers.
KEPT = timedelta(days=1)


class Visitors(EncryptedRepository):
    def person(self, phone: str) -> str:
        """Return the key by which codes and wrong answers of a phone are counted if its holder is not on file."""
        return self._cipher.found_by("visitor", phone).hex()

    async def add(self, visitor: Visitor, secret: str) -> None:
        values: dict[str, Any] = {name: getattr(visitor, name) for name in _PLAIN}
        values |= {
            "secret_hash": hash_secret(secret),
            "phone_sealed": self._cipher.encrypt(visitor.phone, _PHONE.at(visitor.id)),
        }
        values |= {"phone_hash": self._cipher.found_by("phone", visitor.phone)}
        values |= {"name_sealed": self._cipher.encrypt(visitor.name, _NAME.at(visitor.id)) if visitor.name else None}
        await self._connection.execute(insert(VISITOR).values(values))

    async def forget_ended(self, now: datetime) -> None:
        """Delete sessions that ended longer than KEPT ago."""
        await self._connection.execute(VISITOR.delete().where(VISITOR.c.expires_at < now - KEPT))

    async def find_by_secret(self, secret: str, *, lock: bool = False) -> Visitor | None:
        statement = select(VISITOR).where(VISITOR.c.secret_hash == hash_secret(secret))
        return await self._connection.find(self._visitor, statement.with_for_update() if lock else statement)

    async def get(self, visitor: UUID) -> Visitor | None:
        return await self._connection.find(self._visitor, select(VISITOR).where(VISITOR.c.id == visitor))

    async def mark_verified(self, visitor: UUID, secret: str, at: datetime) -> None:
        """Store that the visitor has verified the phone, with a new secret. The old secret becomes invalid."""
        await self._update(visitor, secret_hash=hash_secret(secret), verified_at=at)

    async def new_challenge(self, visitor: UUID, challenge: bytes) -> None:
        await self._update(visitor, key_challenge=challenge)

    async def end(self, visitor: UUID) -> None:
        """Delete a visitor who has become a signer with a session of their own."""
        await self._connection.execute(VISITOR.delete().where(VISITOR.c.id == visitor))

    async def _update(self, visitor: UUID, **values: Any) -> None:
        await self._connection.execute(VISITOR.update().where(VISITOR.c.id == visitor).values(**values))

    def _visitor(self, row: Row) -> Visitor:
        values = {name: row[name] for name in _PLAIN}
        name = self._cipher.decrypt(row["name_sealed"], _NAME.at(row["id"])) if row["name_sealed"] else ""
        return Visitor(**values, phone=self._cipher.decrypt(row["phone_sealed"], _PHONE.at(row["id"])), name=name)


_PLAIN = set(Visitor.__dataclass_fields__) - {"phone", "name"}
