"""Uploaded rosters, and the column titles that a campus uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from hub.errors import NotFound
from hub.model.school.roster_import import RosterUpload
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.repository import EncryptedRepository
from hub.store.tables.school import ROSTER_TITLES as TITLES, ROSTER_UPLOAD as UPLOAD

_DATA = EncryptedColumn.of(UPLOAD.c.data_sealed)


class Rosters(EncryptedRepository):
    async def add_upload(self, upload: RosterUpload) -> None:
        values: dict[str, Any] = {name: getattr(upload, name) for name in _PLAIN}
        values |= {"data_sealed": self._cipher.encrypt_bytes(upload.data, _DATA.at(upload.id))}
        await self._connection.execute(insert(UPLOAD).values(values))

    async def get_upload(self, upload: UUID) -> RosterUpload:
        """Return the roster with its content. Raises NotFound, also outside the scope."""
        row = (await self._connection.execute(select(UPLOAD).where(UPLOAD.c.id == upload))).first()
        if row is None:
            raise NotFound("there is no such roster any more")
        values = {name: row[name] for name in _PLAIN}
        return RosterUpload(**values, data=self._cipher.decrypt_bytes(row["data_sealed"], _DATA.at(row["id"])))

    async def list_uploads(self) -> list[RosterUpload]:
        """Return the newest uploads, without their content."""
        columns = [UPLOAD.c[name] for name in _PLAIN]
        statement = select(*columns).order_by(UPLOAD.c.created_at.desc(), UPLOAD.c.id).limit(10)
        return [RosterUpload(**row) for row in await self._connection.execute(statement)]

    async def delete_upload(self, upload: UUID) -> None:
        await self._connection.execute(UPLOAD.delete().where(UPLOAD.c.id == upload))

    # ---- titles

    async def get_titles(self, campus: str) -> dict[str, str]:
        """Return the columns that people of this campus chose, by folded title."""
        columns = await self._connection.scalar(select(TITLES.c.columns).where(TITLES.c.campus == campus))
        return dict(columns or {})

    async def put_titles(self, campus: str, columns: Mapping[str, str]) -> None:
        values = {"campus": campus, "columns": dict(columns)}
        statement = insert(TITLES).values(values)
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["campus"], set_=values))


_PLAIN = tuple(name for name in RosterUpload.__dataclass_fields__ if name != "data")
