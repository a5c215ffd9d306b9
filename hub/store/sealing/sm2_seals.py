"""The SM2 sides of seals. A software key is encrypted with the hub's key, also in backups."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.sealing.sm2_seal import Sm2KeyPlace, Sm2Seal
from hub.store.encryption.encrypted_column import EncryptedColumn
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import EncryptedRepository
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.sealing import SEAL_SM2 as SM2

_KEY = EncryptedColumn.of(SM2.c.key_sealed)
_GET = SqlStatement(select(SM2).where(SM2.c.seal == bindparam("seal")))


class Sm2Seals(EncryptedRepository):
    async def put(self, sm2: Sm2Seal) -> None:
        """Write the SM2 side of a seal, in place of an earlier one. The caller has locked the seal."""
        values: dict[str, Any] = {name: getattr(sm2, name) for name in _PLAIN}
        values |= {"chain": list(sm2.chain), "key_place": sm2.key_place.value}
        values |= {"width": sm2.size[0], "height": sm2.size[1]}
        key = sm2.private_key
        values["key_sealed"] = self._cipher.encrypt_bytes(key, _KEY.at(sm2.seal)) if key else None
        statement = insert(SM2).values(values)
        changed = {name: statement.excluded[name] for name in values if name != "seal"}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=["seal"], set_=changed))

    async def get(self, seal: UUID) -> Sm2Seal | None:
        """Return the SM2 side of a seal, with its software key decrypted. Raises InvalidTag for another hub's key."""
        return await self._connection.find(self._read, _GET, {"seal": seal})

    async def list_all(self) -> list[Sm2Seal]:
        """Return the SM2 sides within the scope, the first to expire first."""
        rows = await self._connection.execute(select(SM2).order_by(SM2.c.ends_at, SM2.c.seal))
        return [self._read(row) for row in rows]

    async def list_ends(self) -> dict[UUID, datetime]:
        """Return when the SM2 side of each seal expires."""
        rows = await self._connection.execute(select(SM2.c.seal, SM2.c.ends_at))
        return {row["seal"]: row["ends_at"] for row in rows}

    async def list_ending(self, before: datetime) -> list[UUID]:
        """Return the seals whose SM2 side expires before this moment, the earliest first."""
        statement = select(SM2.c.seal).where(SM2.c.ends_at < before).order_by(SM2.c.ends_at)
        return await self._connection.scalars(SqlStatement(statement))

    def _read(self, row: Row) -> Sm2Seal:
        sealed = row["key_sealed"]
        return Sm2Seal(
            **{name: row[name] for name in _PLAIN},
            chain=tuple(row["chain"]),
            size=(row["width"], row["height"]),
            key_place=Sm2KeyPlace(row["key_place"]),
            private_key=self._cipher.decrypt_bytes(sealed, _KEY.at(row["seal"])) if sealed else None,
        )


_PLAIN = ("seal", "campus", "encoded", "key_label", "begins_at", "ends_at", "made_at")
