"""Providers of channels: their health, and the rate that each lane of them has booked. All counted in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Table, Text, any_, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.provider import Health
from hub.store.kernel.statement import Connection, SqlStatement
from hub.store.tables import ProviderLaneRow, ProviderRow, table_of

PROVIDER: Table = table_of(ProviderRow)
LANE: Table = table_of(ProviderLaneRow)
# Whoever books at one provider and then at another, drawn by lot or since the first has no room, never waits for
# somebody who waits for them: all lanes are locked first, in one order for everybody. The health may be a moment old.
_LANES = SqlStatement(
    select(LANE.c.provider, LANE.c.booked_until, PROVIDER)
    .outerjoin(PROVIDER, PROVIDER.c.name == LANE.c.provider)
    .where(LANE.c.provider == any_(bindparam("names", type_=ARRAY(Text()))))
    .where(LANE.c.lane == bindparam("lane"))
    .order_by(LANE.c.provider)
    .with_for_update(of=LANE)
)
_BOOK = SqlStatement("""
UPDATE provider_lane SET booked_until = booked.until
FROM unnest(CAST(:names AS text[]), CAST(:moments AS timestamptz[])) AS booked (name, until)
WHERE provider = booked.name AND lane = :lane
""")


_HEALTHS = SqlStatement(select(PROVIDER).where(PROVIDER.c.name == any_(bindparam("names", type_=ARRAY(Text())))))


@dataclass(frozen=True)
class OfProviders:
    """What is of the providers that are `known` here; and of any other what is there since before `forgotten`."""

    known: Sequence[str]
    forgotten: datetime

    def among(self, provider: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
        return provider.in_(self.known) | (since < self.forgotten)


@dataclass(frozen=True)
class ProviderLane:
    """One lane of a provider, and how the provider fares; None: it never was in trouble."""

    booked_until: datetime
    health: Health | None


class Providers:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def healths(self, names: Sequence[str]) -> dict[str, Health]:
        rows = await self._connection.execute(_HEALTHS, {"names": list(names)})
        return {row["name"]: Health(**row) for row in rows}

    async def locked(self, name: str, weight: float, now: datetime) -> Health:
        """The health of a provider, for somebody who is about to change it."""
        fresh = {"name": name, "weight": weight, "changed_at": now}
        await self._connection.execute(insert(PROVIDER).values(fresh).on_conflict_do_nothing())
        statement = select(PROVIDER).where(PROVIDER.c.name == name).with_for_update()
        return Health(**(await self._connection.execute(statement)).one())

    async def put(self, health: Health) -> None:
        values = {name: getattr(health, name) for name in Health.__dataclass_fields__ if name != "name"}
        await self._connection.execute(PROVIDER.update().where(PROVIDER.c.name == health.name).values(values))

    async def take_probe(self, health: Health, now: datetime) -> bool:
        """A broken provider is tried with one message at a time: True for whoever may send that one."""
        mine = (PROVIDER.c.name == health.name) & (PROVIDER.c.broken_at == health.broken_at)
        return (await self._connection.execute(PROVIDER.update().where(mine).values(broken_at=now))).rowcount == 1

    async def lock_lanes(self, names: Sequence[str], lane: str, now: datetime) -> dict[str, ProviderLane]:
        """Lock one lane of each of these providers, in the order of their names, until the transaction ends."""
        values = {"names": list(names), "lane": lane}
        rows = await self._connection.execute(_LANES, values)
        if len(rows) < len(names):
            fresh = [{"provider": name, "lane": lane, "booked_until": now} for name in sorted(names)]
            await self._connection.execute(insert(LANE).values(fresh).on_conflict_do_nothing())
            rows = await self._connection.execute(_LANES, values)
        fields = Health.__dataclass_fields__
        return {
            row["provider"]: ProviderLane(
                row["booked_until"], Health(**{name: row[name] for name in fields}) if row["name"] else None
            )
            for row in rows
        }

    async def book(self, lane: str, until: Mapping[str, datetime]) -> None:
        """Write until when these lanes, by their providers, are booked now; the caller has locked them. Real time."""
        values = {"names": list(until), "moments": list(until.values()), "lane": lane}
        await self._connection.execute(_BOOK, values)
