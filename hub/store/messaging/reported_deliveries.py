"""Write what reports say about deliveries, for many deliveries at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Table, Uuid, any_, bindparam, select

from hub.model.messaging.delivery import DeliveryState
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.reminders.ledger import NOTE_RECEIPTS, RECEIPTS, TOLD
from hub.store.tables.columns import table_of
from hub.store.tables.messaging import DeliveryRow

DELIVERY: Table = table_of(DeliveryRow)

_LEARN = SqlStatement("""
UPDATE delivery SET
    provider_reference = learnt.reference,
    state = learnt.state,
    state_at = CASE WHEN learnt.moved THEN CAST(:at AS timestamptz) ELSE delivery.state_at END,
    check_at = CASE WHEN learnt.moved THEN learnt.check_at ELSE delivery.check_at END,
    failure = CASE WHEN learnt.moved THEN learnt.failure ELSE delivery.failure END,
    failure_kind = CASE WHEN learnt.moved THEN learnt.failure_kind ELSE delivery.failure_kind END
FROM unnest(CAST(:ids AS uuid[]), CAST(:references AS text[]), CAST(:states AS text[]), CAST(:moved AS bool[]),
            CAST(:checks AS timestamptz[]), CAST(:failures AS text[]), CAST(:kinds AS text[]))
  AS learnt (id, reference, state, moved, check_at, failure, failure_kind)
WHERE delivery.id = learnt.id
""")


@dataclass(frozen=True)
class ReportedDelivery:
    """The part of a delivery that is needed to apply a report."""

    id: UUID
    key: str
    provider: str | None
    provider_reference: str | None
    purpose: str
    state: DeliveryState
    called_at: datetime | None
    contract: UUID | None = None


@dataclass(frozen=True)
class Learnt:
    """What is known of a delivery after reports. `has_moved`: the state is new, and `check_at` and the failure with
    it."""

    id: UUID
    state: DeliveryState
    reference: str | None
    has_moved: bool = False
    check_at: datetime | None = None
    failure: str | None = None
    failure_kind: str | None = None

    def naming(self, reference: str) -> Learnt:
        return replace(self, reference=reference or self.reference)

    def moved(
        self, state: DeliveryState, check_at: datetime | None, failure: str | None, failure_kind: str | None
    ) -> Learnt:
        return replace(self, state=state, has_moved=True, check_at=check_at, failure=failure, failure_kind=failure_kind)


_COLUMNS = [DELIVERY.c[name] for name in ReportedDelivery.__dataclass_fields__]
_IDS = bindparam("ids", type_=ARRAY(Uuid()))


class ReportedDeliveries(Repository):
    async def lock_by_keys(self, keys: Sequence[str]) -> dict[str, ReportedDelivery]:
        """Lock the deliveries with these keys, in the order of their ids to avoid deadlocks. Return them by key."""
        return {each.key: each for each in await self._lock(DELIVERY.c.key.in_(keys))}

    async def lock(self, deliveries: Sequence[UUID]) -> dict[UUID, ReportedDelivery]:
        """Lock these deliveries in the order of their ids. Return them by id."""
        return {each.id: each for each in await self._lock(DELIVERY.c.id == any_(_IDS), {"ids": list(deliveries)})}

    async def _lock(
        self, which: ColumnElement[bool], values: Mapping[str, Any] | None = None
    ) -> list[ReportedDelivery]:
        statement = select(*_COLUMNS).where(which).order_by(DELIVERY.c.id).with_for_update()
        rows = await self._connection.execute(statement, dict(values or {}))
        return [ReportedDelivery(**(dict(row) | {"state": DeliveryState(row["state"])})) for row in rows]

    async def learn(self, learnt: Sequence[Learnt], at: datetime) -> None:
        """Write what reports said about deliveries that this transaction has locked."""
        if not learnt:
            return
        await self._connection.execute(
            _LEARN,
            {
                "at": at,
                "ids": [each.id for each in learnt],
                "references": [each.reference for each in learnt],
                "states": [each.state.value for each in learnt],
                "moved": [each.has_moved for each in learnt],
                "checks": [each.check_at for each in learnt],
                "failures": [each.failure for each in learnt],
                "kinds": [each.failure_kind for each in learnt],
            },
        )
        if ended := [each.id for each in learnt if each.has_moved and each.state in RECEIPTS]:
            await self._connection.write(NOTE_RECEIPTS, {"ids": ended, "at": at, "purposes": TOLD})
