"""API keys of other systems, stored as hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import KeyNotValid
from hub.model.staff.accounts import ApiKey, ApiKeyEntry
from hub.model.staff.key_scopes import ALL_SCOPES, KeyScope
from hub.model.staff.scope import EVERYTHING, Scope
from hub.store.kernel.connection import Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.staff.accounts import key_hash
from hub.store.tables.staff import API_KEY as KEY

# In place of an opening, for a transaction that only looks up its key.
KEY_ALONE = Opening(SqlStatement("SELECT 1"), {}, is_all=True)


def read_caller(found: dict[str, Any] | None, now: datetime) -> tuple[ApiKey, Scope]:
    """Return the key that the function `enter_by_key` found, and its scope. `now`: real time. Raises KeyNotValid if
    there is none, or if it has expired."""
    if found is None or (found["expires_at"] and datetime.fromisoformat(found["expires_at"]) <= now):
        raise KeyNotValid
    campuses = found["campuses"]  # none for headquarters, to which everything belongs
    key = _read(found | {"id": UUID(found["id"])})
    return key, EVERYTHING if campuses is None else Scope(frozenset(campuses))


class ApiKeys(Repository):
    """The API keys."""

    async def put_api_key(self, name: str, secret: str, campus: str, at: datetime) -> None:
        """Store the one key of this name. A new secret replaces the old key; a secret that was replaced before becomes
        valid again."""
        old = KEY.update().where(KEY.c.name == name, KEY.c.secret_hash != key_hash(secret), KEY.c.revoked_at.is_(None))
        await self._connection.execute(old.values(revoked_at=at))
        values = {"id": uuid4(), "name": name, "secret_hash": key_hash(secret), "campus": campus, "created_at": at}
        again = {"revoked_at": None, "expires_at": None, "name": name, "campus": campus}
        await self._connection.execute(
            insert(KEY).values(values).on_conflict_do_update(index_elements=["secret_hash"], set_=again)
        )

    async def add(self, key: ApiKey, secret: str, at: datetime, expires_at: datetime | None = None) -> None:
        values = {"id": key.id, "name": key.name, "secret_hash": key_hash(secret), "campus": key.campus}
        values |= {"scopes": sorted(key.scopes), "created_at": at, "expires_at": expires_at}
        await self._connection.execute(insert(KEY).values(values))

    async def expire(self, key: UUID, at: datetime) -> None:
        """Let a key expire at this time."""
        await self._connection.execute(KEY.update().where(KEY.c.id == key).values(expires_at=at))

    async def list_all(self) -> list[ApiKeyEntry]:
        """Return all keys: first those that are not revoked, by name; then the revoked ones, the last revoked first."""
        order = (KEY.c.revoked_at.desc().nulls_first(), KEY.c.name)
        rows = await self._connection.execute(select(KEY).order_by(*order))
        return [ApiKeyEntry(_read(row), row["created_at"], row["revoked_at"], row["expires_at"]) for row in rows]

    async def revoke(self, name: str, at: datetime) -> list[ApiKey]:
        """Revoke all live keys of this name. Return them."""
        live = (KEY.c.name == name) & KEY.c.revoked_at.is_(None)
        rows = await self._connection.execute(KEY.update().where(live).values(revoked_at=at).returning(KEY))
        return [_read(row) for row in rows]


def _read(row: Row | dict[str, Any]) -> ApiKey:
    """Return the key. Scopes of later versions are left out."""
    scopes = frozenset(KeyScope(each) for each in row["scopes"] if each in ALL_SCOPES)
    return ApiKey(row["id"], row["name"], row["campus"], scopes)
