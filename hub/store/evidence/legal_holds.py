"""Legal holds. The role `app` may place a hold, lift it and erase its reason, but not change anything else about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, select

from hub.model.evidence.legal_hold import HeldContract, LegalHold
from hub.model.evidence.person_data import ERASED
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import insert_row
from hub.store.kernel.statement import SqlStatement
from hub.store.tables.contract import CONTRACT
from hub.store.tables.evidence import LEGAL_HOLD as HOLD

_ADD = insert_row(HOLD, LegalHold.__dataclass_fields__)
_OF = SqlStatement(
    select(HOLD)
    .where(HOLD.c.contract == bindparam("contracts", type_=ARRAY(Uuid())).any_())
    .order_by(HOLD.c.placed_at, HOLD.c.id)
)
_OPEN = SqlStatement(select(HOLD).where(HOLD.c.lifted_at.is_(None)).order_by(HOLD.c.placed_at, HOLD.c.id))
_HELD = SqlStatement(
    select(HOLD, CONTRACT.c.number)
    .join(CONTRACT, CONTRACT.c.id == HOLD.c.contract)
    .where(HOLD.c.lifted_at.is_(None))
    .order_by(HOLD.c.placed_at.desc(), HOLD.c.id)
)
_FORGET = SqlStatement(
    HOLD.update()
    .where(HOLD.c.contract == bindparam("mine"), HOLD.c.reason == bindparam("words", type_=ARRAY(Text())).any_())
    .values(reason=ERASED)
)
_LIFT = SqlStatement(
    HOLD.update()
    .where(HOLD.c.id == bindparam("hold"), HOLD.c.lifted_at.is_(None))
    .values(lifted_by=bindparam("actor"), lifted_at=bindparam("at"))
)


class LegalHolds(Repository):
    async def add(self, hold: LegalHold) -> None:
        await self._connection.write(_ADD, vars(hold))

    async def list_of(self, contracts: Iterable[UUID], now: datetime) -> dict[UUID, LegalHold]:
        """Return one active hold for each of these contracts that has any."""
        rows = await self._connection.execute(_OF, {"contracts": list(contracts)})
        holds = [LegalHold(**row) for row in rows]
        return {hold.contract: hold for hold in holds if hold.is_active(now)}

    async def list_active(self, now: datetime) -> list[LegalHold]:
        return [hold for row in await self._connection.execute(_OPEN) if (hold := LegalHold(**row)).is_active(now)]

    async def list_held(self, now: datetime) -> list[HeldContract]:
        """Return the active holds with the numbers of their contracts, the newest first."""
        rows = [dict(row) for row in await self._connection.execute(_HELD)]
        held = [HeldContract(number=row.pop("number"), hold=LegalHold(**row)) for row in rows]
        return [each for each in held if each.hold.is_active(now)]

    async def forget_words(self, contract: UUID, words: Sequence[str]) -> None:
        """Erase the reasons of this contract's holds that are one of these texts."""
        await self._connection.write(_FORGET, {"mine": contract, "words": list(words)})

    async def lift(self, hold: UUID, actor: str, at: datetime) -> None:
        await self._connection.write(_LIFT, {"hold": hold, "actor": actor, "at": at})
