"""What one message is for each of several contracts. A message for one contract has no rows here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from sqlalchemy import Table, select

from hub.model.messaging.delivery import Delivery, DeliveryItem
from hub.store.kernel.rows import arrays_of, insert_many
from hub.store.kernel.statement import Connection, Row
from hub.store.tables import DeliveryShareRow, table_of

SHARE: Table = table_of(DeliveryShareRow)
_FIELDS = tuple(DeliveryItem.__dataclass_fields__)
_COLUMNS = ("delivery", *_FIELDS)
_ADD = insert_many(SHARE, _COLUMNS)
# The columns that `for_one` reads.
PARTS = [SHARE.c[name].label(f"share_{name}") for name in _FIELDS]


class Shares:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add_many(self, shares: Iterable[tuple[UUID, DeliveryItem]]) -> None:
        """Add what each of these deliveries, by their ids, is for one contract."""
        rows = [vars(share) | {"delivery": delivery} for delivery, share in shares]
        if rows:
            await self._connection.execute(_ADD, arrays_of(_COLUMNS, rows))

    async def of(self, delivery: UUID) -> list[DeliveryItem]:
        """By contract; none where it speaks of one contract alone."""
        statement = select(SHARE).where(SHARE.c.delivery == delivery).order_by(SHARE.c.contract)
        rows = await self._connection.execute(statement)
        return [DeliveryItem(**{name: row[name] for name in _FIELDS}) for row in rows]

    async def contracts(self, delivery: Delivery) -> list[UUID]:
        """What a message speaks of; it must be about a contract."""
        assert delivery.contract
        return [share.contract for share in await self.of(delivery.id)] or [delivery.contract]


def for_one(delivery: Delivery, row: Row) -> Delivery:
    """The delivery as what it is for the contract whose share was read with it."""
    if row["share_task"] is None:
        return delivery
    variables = dict(delivery.variables) | {"step_number": str(row["share_number"])}
    which = {name: row[f"share_{name}"] for name in ("task", "contract", "signer", "purpose")}
    return replace(delivery, variables=variables, **which)
