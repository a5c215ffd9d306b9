"""The parts of a message about several contracts. A message about one contract has no rows here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from hub.model.messaging.delivery import Delivery, DeliveryItem
from hub.store.kernel.connection import Row
from hub.store.kernel.repository import Repository
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.tables.messaging import DELIVERY_SHARE as SHARE

_FIELDS = tuple(DeliveryItem.__dataclass_fields__)
_COLUMNS = ("delivery", *_FIELDS)
_ADD = insert_many(SHARE, _COLUMNS)
# The columns that `for_one` reads.
PARTS = [SHARE.c[name].label(f"share_{name}") for name in _FIELDS]


class DeliveryItems(Repository):
    async def add_many(self, shares: Iterable[tuple[UUID, DeliveryItem]]) -> None:
        """Add the items of deliveries, given with the delivery's id."""
        rows = [vars(share) | {"delivery": delivery} for delivery, share in shares]
        if rows:
            await self._connection.write(_ADD, arrays_of(_COLUMNS, rows))

    async def list_of_delivery(self, delivery: UUID) -> list[DeliveryItem]:
        """Return the items of a delivery by contract. Empty if it is about one contract only."""
        statement = select(SHARE).where(SHARE.c.delivery == delivery).order_by(SHARE.c.contract)
        rows = await self._connection.execute(statement)
        return [DeliveryItem(**{name: row[name] for name in _FIELDS}) for row in rows]

    async def list_contracts(self, delivery: Delivery) -> list[UUID]:
        """Return the contracts that a message is about. It must be about at least one."""
        assert delivery.contract
        return [share.contract for share in await self.list_of_delivery(delivery.id)] or [delivery.contract]


def for_one(delivery: Delivery, row: Row) -> Delivery:
    """Return the delivery as it concerns the contract whose item was read with it."""
    if row["share_task"] is None:
        return delivery
    variables = dict(delivery.variables) | {"step_number": str(row["share_number"])}
    which = {name: row[f"share_{name}"] for name in ("task", "contract", "signer", "purpose")}
    return replace(delivery, variables=variables, **which)
