"""Keys of other systems, by their hash alone."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.staff.accounts import ApiKey
from hub.store.staff.accounts import key_hash
from hub.store.tables import (
    ApiKeyRow,
    table_of,
)

KEY: Table = table_of(ApiKeyRow)


class ApiKeys:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put_api_key(self, name: str, secret: str, campus: str, at: datetime) -> None:
        """One key per name: a new secret replaces the old, and one that was replaced before counts again."""
        old = KEY.update().where(KEY.c.name == name, KEY.c.secret_hash != key_hash(secret), KEY.c.revoked_at.is_(None))
        await self._connection.execute(old.values(revoked_at=at))
        values = {"id": uuid4(), "name": name, "secret_hash": key_hash(secret), "campus": campus, "created_at": at}
        again = {"revoked_at": None, "name": name, "campus": campus}
        await self._connection.execute(
            insert(KEY).values(values).on_conflict_do_update(index_elements=["secret_hash"], set_=again)
        )

    async def api_key(self, secret: str) -> ApiKey | None:
        found = (KEY.c.secret_hash == key_hash(secret)) & KEY.c.revoked_at.is_(None)
        row = (await self._connection.execute(select(KEY).where(found))).mappings().first()
        return ApiKey(row["id"], row["name"], row["campus"]) if row else None
