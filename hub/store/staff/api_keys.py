"""API keys of other systems, stored as hashes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Table, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.staff.accounts import EVERYTHING, ApiKey, ApiKeyEntry, Scope
from hub.model.staff.key_scopes import ALL_SCOPES, KeyScope
from hub.store.kernel.connection import Connection, Row
from hub.store.kernel.opening import Opening
from hub.store.kernel.statement import SqlStatement
from hub.store.staff.accounts import key_hash
from hub.store.tables.columns import table_of
from hub.store.tables.staff import ApiKeyRow

KEY: Table = table_of(ApiKeyRow)
# A key, the campuses below its own, and whether its own is headquarters, to which everything belongs.
_LIVE = SqlStatement("""
SELECT api_key.*, (
    WITH RECURSIVE below (id) AS (
        SELECT id FROM campus WHERE parent = api_key.campus
        UNION SELECT campus.id FROM campus JOIN below ON campus.parent = below.id
    ) SELECT array_agg(id) FROM below) AS below,
    EXISTS (SELECT FROM campus WHERE id = api_key.campus AND parent IS NULL) AS is_of_headquarters
FROM api_key WHERE secret_hash = :secret AND revoked_at IS NULL
""")


def opening_of_key(secret: str) -> Opening:
    """Return what `ApiKeys.get_caller` reads."""
    return Opening(_LIVE, {"secret": key_hash(secret)}, is_all=True)


class ApiKeys:
    """The API keys. `now`: real time, by which keys expire."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

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
        """Return all keys: first the valid ones, by name; then the revoked ones, newest first."""
        order = (KEY.c.revoked_at.desc().nulls_first(), KEY.c.name)
        rows = await self._connection.execute(select(KEY).order_by(*order))
        return [ApiKeyEntry(_read(row), row["created_at"], row["revoked_at"], row["expires_at"]) for row in rows]

    async def revoke(self, name: str, at: datetime) -> list[ApiKey]:
        """Revoke all live keys of this name. Return them."""
        live = (KEY.c.name == name) & KEY.c.revoked_at.is_(None)
        rows = await self._connection.execute(KEY.update().where(live).values(revoked_at=at).returning(KEY))
        return [_read(row) for row in rows]

    async def get_caller(self, secret: str) -> tuple[ApiKey, Scope] | None:
        """Return the key with this secret and the scope of its campus, as `School.get_scope_below` would; None if there
        is no key that counts."""
        row = (await self._connection.execute(_LIVE, {"secret": key_hash(secret)})).first()
        if row is None or (row["expires_at"] is not None and row["expires_at"] <= self._now):
            return None
        scope = Scope(frozenset({row["campus"], *(row["below"] or ())}))
        return _read(row), EVERYTHING if row["is_of_headquarters"] else scope


def _read(row: Row) -> ApiKey:
    """Return the key. Scopes of later versions are left out."""
    scopes = frozenset(KeyScope(each) for each in row["scopes"] if each in ALL_SCOPES)
    return ApiKey(row["id"], row["name"], row["campus"], scopes)
