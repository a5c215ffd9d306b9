"""Deliveries: an attempt row is committed before its provider is called, and its fate is joined to it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Table, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.delivery import Delivery, DeliveryState, joined
from hub.store.cipher import Cipher
from hub.store.tables import DeliveryRow, OutboxMessageRow, table_of

DELIVERY: Table = table_of(DeliveryRow)
OUTBOX: Table = table_of(OutboxMessageRow)
UNSETTLED = (DeliveryState.SENDING.value, DeliveryState.UNKNOWN.value)


class Deliveries:
    def __init__(self, connection: AsyncConnection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    async def add(self, delivery: Delivery, person: str | None = None) -> bool:
        """The attempt row. False if this intent (`key`) has one already: then nothing may be sent for it again."""
        values = {name: getattr(delivery, name) for name in _FIELDS}
        values |= {"state": delivery.state.value, "variables": dict(delivery.variables), "person": person}
        values |= {"to_sealed": self._cipher.seal(delivery.to), "to_hash": self._phone(delivery.to)}
        statement = insert(DELIVERY).values(values).on_conflict_do_nothing(index_elements=["key"])
        return (await self._connection.execute(statement)).rowcount == 1

    async def get(self, delivery: UUID) -> Delivery | None:
        row = (await self._connection.execute(select(DELIVERY).where(DELIVERY.c.id == delivery))).mappings().first()
        return self._delivery(row) if row else None

    async def by_key(self, key: str) -> Delivery | None:
        row = (await self._connection.execute(select(DELIVERY).where(DELIVERY.c.key == key))).mappings().first()
        return self._delivery(row) if row else None

    async def claim(
        self, delivery: UUID, at: datetime, *, before: datetime | None, held: datetime | None = None
    ) -> bool:
        """Take an unsettled attempt into one's hands for a call, from `at` on; False if it is in somebody else's.

        It has to be untouched, or its last touch earlier than `before` (None: untouched only). `held` renews a claim.
        """
        untouched = DELIVERY.c.state_at.is_(None)
        free = untouched if before is None else untouched | (DELIVERY.c.state_at < before)
        mine = (DELIVERY.c.state_at == held) if held else free
        statement = DELIVERY.update().where(DELIVERY.c.id == delivery, DELIVERY.c.state.in_(UNSETTLED), mine)
        return (await self._connection.execute(statement.values(state_at=at))).rowcount == 1

    async def report(
        self, delivery: UUID, state: DeliveryState, at: datetime, *, provider: str | None = None,
        reference: str | None = None, failure: str | None = None,
    ) -> DeliveryState:  # fmt: skip
        """Join what was learnt to what is known, in any order and any number of times. Returns the state that
        results."""
        row = (await self._connection.execute(
            select(DELIVERY.c.state).where(DELIVERY.c.id == delivery).with_for_update())).one()  # fmt: skip
        before = DeliveryState(row[0])
        after = joined(before, state)
        values: dict[str, Any] = {"provider": provider, "provider_reference": reference}
        values = {name: value for name, value in values.items() if value is not None}
        if after is not before:
            values |= {"state": after.value, "state_at": at, "failure": failure}
        if values:
            await self._connection.execute(DELIVERY.update().where(DELIVERY.c.id == delivery).values(values))
        return after

    async def unsettled(self, before: datetime, limit: int = 50) -> list[Delivery]:
        """Those whose process died or whose answer was lost: the provider is asked about each."""
        touched = func.coalesce(DELIVERY.c.state_at, DELIVERY.c.created_at)
        waiting = DELIVERY.c.state.in_(UNSETTLED) & (touched < before)
        rows = await self._connection.execute(select(DELIVERY).where(waiting).order_by(touched).limit(limit))
        return [self._delivery(row) for row in rows.mappings()]

    async def of_contract(self, contract: UUID) -> list[Delivery]:
        statement = (
            select(DELIVERY).where(DELIVERY.c.contract == contract).order_by(DELIVERY.c.created_at, DELIVERY.c.id)
        )
        return [self._delivery(row) for row in (await self._connection.execute(statement)).mappings()]

    async def sent_to_person(self, person: str, since: datetime, purposes: Sequence[str]) -> list[datetime]:
        """When messages of these purposes went to this person, over all contracts; refused ones do not count."""
        counted = (DELIVERY.c.person == person) & (DELIVERY.c.created_at >= since) & DELIVERY.c.purpose.in_(purposes)
        reached = DELIVERY.c.state.not_in([DeliveryState.REFUSED.value, DeliveryState.WITHDRAWN.value])
        statement = select(DELIVERY.c.created_at).where(counted, reached).order_by(DELIVERY.c.created_at)
        return list(await self._connection.scalars(statement))

    async def sent_for_task(self, task: UUID, purposes: Sequence[str], key_prefix: str = "") -> list[datetime]:
        counted = (DELIVERY.c.task == task) & DELIVERY.c.purpose.in_(purposes)
        statement = select(DELIVERY.c.created_at).where(counted, DELIVERY.c.key.startswith(key_prefix))
        return list(await self._connection.scalars(statement.order_by(DELIVERY.c.created_at)))

    async def inbox(self, to: str | None, limit: int = 500) -> list[tuple[Delivery, datetime]]:
        """What the outbox channel has accepted, oldest first, for one number or for all."""
        statement = select(DELIVERY, OUTBOX.c.accepted_at).join(OUTBOX, OUTBOX.c.key == DELIVERY.c.key)
        if to:
            statement = statement.where(DELIVERY.c.to_hash == self._phone(to))
        newest = statement.order_by(OUTBOX.c.accepted_at.desc()).limit(limit)
        rows = (await self._connection.execute(newest)).mappings().all()
        return [(self._delivery(row), row["accepted_at"]) for row in reversed(rows)]

    async def counts_since(self, since: datetime) -> dict[str, int]:
        statement = select(DELIVERY.c.state, func.count()).where(DELIVERY.c.created_at >= since)
        rows = await self._connection.execute(statement.group_by(DELIVERY.c.state))
        return {str(state): int(count) for state, count in rows}

    def _phone(self, number: str) -> bytes:
        return self._cipher.found_by("phone", number)

    def _delivery(self, row: RowMapping) -> Delivery:
        values = {name: row[name] for name in _FIELDS}
        return Delivery(**(values | {"state": DeliveryState(row["state"]), "to": self._cipher.open(row["to_sealed"])}))


class OutboxLedger:
    """The outbox channel's memory: what it accepted, by key. It commits on its own, as a provider would."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def accept(self, key: str) -> None:
        await self._connection.execute(insert(OUTBOX).values(key=key).on_conflict_do_nothing())

    async def accepted(self, key: str) -> bool:
        return await self._connection.scalar(select(OUTBOX.c.key).where(OUTBOX.c.key == key)) is not None


_FIELDS = set(Delivery.__dataclass_fields__) - {"to"}
