"""Addenda of evidence packages. The role `app` may only insert and read."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, select

from hub.model.evidence.addendum import EvidenceAddendum
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.evidence import EVIDENCE_ADDENDUM as ADDENDUM

_ADD = insert_row(ADDENDUM, EvidenceAddendum.__dataclass_fields__, passing_over=True)
_NEWEST = SqlStatement(
    select(ADDENDUM).where(ADDENDUM.c.contract == bindparam("contract")).order_by(ADDENDUM.c.number.desc()).limit(1)
)
_NUMBERED = SqlStatement(
    select(ADDENDUM).where(ADDENDUM.c.contract == bindparam("contract"), ADDENDUM.c.number == bindparam("number"))
)


class EvidenceAddenda(Repository):
    async def add(self, addendum: EvidenceAddendum) -> bool:
        """Store an addendum. Return False, and change nothing, if one with this number exists."""
        return (await self._connection.write_now(_ADD, vars(addendum))).rowcount == 1

    async def find_newest(self, contract: UUID) -> EvidenceAddendum | None:
        return await self._connection.find(lambda row: EvidenceAddendum(**row), _NEWEST, {"contract": contract})

    async def get(self, contract: UUID, number: int) -> EvidenceAddendum | None:
        row = (await self._connection.execute(_NUMBERED, {"contract": contract, "number": number})).first()
        return EvidenceAddendum(**row) if row else None
