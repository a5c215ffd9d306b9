"""Providers of channels: their health, and the rate that each lane of them has booked. All counted in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Table, Text, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.model.messaging.provider import Health
from hub.store.joint import joint
from hub.store.tables import ProviderLaneRow, ProviderRow, table_of

PROVIDER: Table = table_of(ProviderRow)
LANE: Table = table_of(ProviderLaneRow)
_LANES = (
    select(LANE.c.provider)
    .where(LANE.c.provider == any_(bindparam("names", type_=ARRAY(Text()))))
    .where(LANE.c.lane == bindparam("lane"))
    .order_by(LANE.c.provider)
    .with_for_update()
)

# Nobody books further ahead than `patience`: what is booked for long after was booked before the clock was put back.
_BOOK = text("""
INSERT INTO provider_lane AS lane (provider, lane, booked_until)
VALUES (:provider, :lane, CAST(:now AS timestamptz) + :each)
ON CONFLICT (provider, lane) DO UPDATE
SET booked_until = CASE
    WHEN lane.booked_until > CAST(:now AS timestamptz) + :patience + :each + interval '1 minute'
    THEN CAST(:now AS timestamptz) ELSE greatest(lane.booked_until, CAST(:now AS timestamptz))
END + :each
WHERE lane.booked_until <= CAST(:now AS timestamptz) + :patience
    OR lane.booked_until > CAST(:now AS timestamptz) + :patience + :each + interval '1 minute'
RETURNING lane.booked_until - :each
""")


@dataclass(frozen=True)
class OfProviders:
    """What is of the providers that are `known` here; and of any other what is there since before `forgotten`."""

    known: Sequence[str]
    forgotten: datetime

    def among(self, provider: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
        return provider.in_(self.known) | (since < self.forgotten)


class Providers:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def healths(self, names: Sequence[str]) -> dict[str, Health]:
        statement = select(PROVIDER).where(PROVIDER.c.name.in_(names))
        if ahead := joint(self._connection):
            if (known := ahead.get("healths", tuple(names))) is None:
                known = {row["name"]: Health(**row) for row in (await ahead.aside(statement, {})).mappings()}
                ahead.put("healths", tuple(names), known)
            return dict(known)
        return {row["name"]: Health(**row) for row in (await self._connection.execute(statement)).mappings()}

    async def locked(self, name: str, weight: float, now: datetime) -> Health:
        """The health of a provider, for somebody who is about to change it."""
        fresh = {"name": name, "weight": weight, "changed_at": now}
        await self._connection.execute(insert(PROVIDER).values(fresh).on_conflict_do_nothing())
        statement = select(PROVIDER).where(PROVIDER.c.name == name).with_for_update()
        return Health(**(await self._connection.execute(statement)).mappings().one())

    async def put(self, health: Health) -> None:
        values = {name: getattr(health, name) for name in Health.__dataclass_fields__ if name != "name"}
        await self._connection.execute(PROVIDER.update().where(PROVIDER.c.name == health.name).values(values))

    async def take_probe(self, health: Health, now: datetime) -> bool:
        """A broken provider is tried with one message at a time: True for whoever may send that one."""
        mine = (PROVIDER.c.name == health.name) & (PROVIDER.c.broken_at == health.broken_at)
        return (await self._connection.execute(PROVIDER.update().where(mine).values(broken_at=now))).rowcount == 1

    async def hold_lanes(self, names: Sequence[str], lane: str, now: datetime) -> None:
        """Until the end, in one order for everybody: whoever books at one provider and then at another, drawn by lot or
        since the first has no room, never waits for somebody who waits for them."""
        ahead = joint(self._connection)
        known: frozenset[str] = (ahead.get("lanes", lane) if ahead else None) or frozenset()
        if len(names) < 2 or known.issuperset(names):
            return
        run = ahead.aside if ahead else self._connection.execute
        values = {"names": list(names), "lane": lane}
        if len((await run(_LANES, values)).all()) < len(names):
            fresh = [{"provider": name, "lane": lane, "booked_until": now} for name in sorted(names)]
            await run(insert(LANE).values(fresh).on_conflict_do_nothing(), {})
            await run(_LANES, values)
        if ahead:
            ahead.put("lanes", lane, known.union(names))

    async def book(
        self, provider: str, lane: str, each: timedelta, now: datetime, patience: timedelta
    ) -> datetime | None:
        """The moment at which this lane may send its next message, now booked; None if that is further away than
        `patience`. Real time."""
        values = {"provider": provider, "lane": lane, "each": each, "now": now, "patience": patience}
        ahead = joint(self._connection)
        if ahead:
            booked: datetime | None = (await ahead.aside(_BOOK, values)).scalar()
            return booked
        moment: datetime | None = await self._connection.scalar(_BOOK, values)
        return moment
