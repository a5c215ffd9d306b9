"""Legal holds. The role `app` may place and lift a hold, but not change anything else about it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Table, Uuid, bindparam, select

from hub.model.evidence.legal_hold import LegalHold
from hub.store.kernel.connection import Connection
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables import LegalHoldRow, table_of

HOLD: Table = table_of(LegalHoldRow)
_ADD = insert_row(HOLD, LegalHold.__dataclass_fields__)
_OF = SqlStatement(
    select(HOLD)
    .where(HOLD.c.contract == bindparam("contracts", type_=ARRAY(Uuid())).any_())
    .order_by(HOLD.c.placed_at, HOLD.c.id)
)
_OPEN = SqlStatement(select(HOLD).where(HOLD.c.lifted_at.is_(None)).order_by(HOLD.c.placed_at, HOLD.c.id))
_LIFT = SqlStatement(
    HOLD.update()
    .where(HOLD.c.id == bindparam("hold"), HOLD.c.lifted_at.is_(None))
    .values(lifted_by=bindparam("actor"), lifted_at=bindparam("at"))
)


class LegalHolds:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, hold: LegalHold) -> None:
        await self._connection.write(_ADD, vars(hold))

    async def list_of(self, contracts: Iterable[UUID], now: datetime) -> dict[UUID, LegalHold]:
        """Return one active hold for each of these contracts that has any."""
        rows = await self._connection.execute(_OF, {"contracts": list(contracts)})
        holds = [LegalHold(**row) for row in rows]
        return {hold.contract: hold for hold in holds if hold.is_active(now)}

    async def list_active(self, now: datetime) -> list[LegalHold]:
        return [hold for row in await self._connection.execute(_OPEN) if (hold := LegalHold(**row)).is_active(now)]

    async def lift(self, hold: UUID, actor: str, at: datetime) -> None:
        await self._connection.write(_LIFT, {"hold": hold, "actor": actor, "at": at})
