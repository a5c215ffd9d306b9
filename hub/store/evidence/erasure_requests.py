"""Erasures that wait for a second person, or for the command of the server's operator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.model.evidence.erasure_request import ErasureRequest
from hub.model.evidence.person_data import SoughtPerson
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.evidence import ERASURE_REQUEST as REQUEST

_SOUGHT = EncryptedColumn.of(REQUEST.c.sought_sealed)


class ErasureRequests(EncryptedRepository):
    async def add(self, request: ErasureRequest) -> None:
        said = json.dumps({"sought": asdict(request.sought), "reason": request.reason}, ensure_ascii=False)
        values = {name: getattr(request, name) for name in ("id", "campus", "asked_by", "asked_at")}
        encrypted = self._cipher.encrypt(said, _SOUGHT.at(request.id))
        await self._connection.execute(insert(REQUEST).values(values | {"sought_sealed": encrypted}))

    async def list_all(self) -> Sequence[ErasureRequest]:
        """Return the requests within the scope, oldest first."""
        rows = await self._connection.execute(select(REQUEST).order_by(REQUEST.c.asked_at))
        return [self._read(row) for row in rows]

    async def lock(self, request: UUID) -> ErasureRequest | None:
        statement = select(REQUEST).where(REQUEST.c.id == request).with_for_update()
        return await self._connection.find(self._read, statement)

    async def confirm(self, request: UUID, actor: str, at: datetime) -> None:
        values = {"confirmed_by": actor, "confirmed_at": at}
        await self._connection.execute(REQUEST.update().where(REQUEST.c.id == request).values(values))

    async def delete(self, request: UUID) -> None:
        await self._connection.execute(REQUEST.delete().where(REQUEST.c.id == request))

    async def delete_unconfirmed(self, before: datetime) -> None:
        """Delete the requests from before `before` that nobody has confirmed."""
        over = (REQUEST.c.asked_at < before) & REQUEST.c.confirmed_by.is_(None)
        await self._connection.execute(REQUEST.delete().where(over))

    def _read(self, row: Row) -> ErasureRequest:
        said = json.loads(self._cipher.decrypt(row["sought_sealed"], _SOUGHT.at(row["id"])))
        own = {name: row[name] for name in ("id", "campus", "asked_by", "asked_at", "confirmed_by")}
        return ErasureRequest(**own, sought=SoughtPerson(**said["sought"]), reason=said["reason"])
