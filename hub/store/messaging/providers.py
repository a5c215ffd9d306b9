"""Providers of channels: their health, and how far ahead each of their lanes is booked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert

from hub.model.messaging.provider import Health
from hub.store.kernel.repository import Repository
from hub.store.kernel.statement import SqlStatement
from hub.store.kernel.waiting_writes import AFTER_WRITES
from hub.store.tables.messaging import PROVIDER, PROVIDER_LANE as LANE

# All lanes are locked first, in a consistent order, to avoid deadlocks: a transaction may book at one provider and then
# at another, drawn by lot or because the first has no room. The health is not locked, so it may be slightly outdated.
_LANES = SqlStatement(
    select(LANE.c.provider, LANE.c.booked_until, PROVIDER)
    .outerjoin(PROVIDER, PROVIDER.c.name == LANE.c.provider)
    .where(LANE.c.provider == any_(bindparam("names", type_=ARRAY(Text()))))
    .where(LANE.c.lane == bindparam("lane"), text(AFTER_WRITES))
    .order_by(LANE.c.provider)
    .with_for_update(of=LANE)
)
_BOOK = SqlStatement("""
UPDATE provider_lane SET booked_until = booked.until
FROM unnest(CAST(:names AS text[]), CAST(:moments AS timestamptz[])) AS booked (name, until)
WHERE provider = booked.name AND lane = :lane
""")


_BOOKED = SqlStatement(select(LANE).where(LANE.c.provider == any_(bindparam("names", type_=ARRAY(Text())))))
_HEALTHS = SqlStatement(select(PROVIDER).where(PROVIDER.c.name == any_(bindparam("names", type_=ARRAY(Text())))))
# What `Health.close_breaker` does, if the call of a delivered message began after the breaker had opened.
_CLOSE_BREAKER = SqlStatement(
    PROVIDER.update()
    .where(
        PROVIDER.c.name == bindparam("provider"), PROVIDER.c.until_delivered, PROVIDER.c.broken_at <= bindparam("began")
    )
    .values(broken_at=None, broken_reason=None, until_delivered=False)
)


@dataclass(frozen=True)
class ProviderCondition:
    """A condition on rows of providers: those in `known` match, and those of other providers if older than
    `forgotten`."""

    known: Sequence[str]
    forgotten: datetime

    def among(self, provider: ColumnElement[Any], since: ColumnElement[Any]) -> ColumnElement[bool]:
        return provider.in_(self.known) | (since < self.forgotten)


@dataclass(frozen=True)
class ProviderLane:
    """One lane of a provider, and the provider's health; None if it never had trouble."""

    booked_until: datetime
    health: Health | None


class Providers(Repository):
    async def get_healths(self, names: Sequence[str]) -> dict[str, Health]:
        rows = await self._connection.execute(_HEALTHS, {"names": list(names)})
        return {row["name"]: Health(**row) for row in rows}

    async def list_booked(self, names: Sequence[str]) -> dict[tuple[str, str], datetime]:
        """Return until when the lanes of these providers are booked, by provider and lane."""
        rows = await self._connection.execute(_BOOKED, {"names": list(names)})
        return {(row["provider"], row["lane"]): row["booked_until"] for row in rows}

    async def lock_health(self, name: str, weight: float, now: datetime) -> Health:
        """Lock the health of a provider, which the caller is about to change, and return it."""
        fresh = {"name": name, "weight": weight, "changed_at": now}
        await self._connection.execute(insert(PROVIDER).values(fresh).on_conflict_do_nothing())
        statement = select(PROVIDER).where(PROVIDER.c.name == name).with_for_update()
        return Health(**(await self._connection.execute(statement)).one())

    async def put(self, health: Health) -> None:
        values = {name: getattr(health, name) for name in Health.__dataclass_fields__ if name != "name"}
        await self._connection.execute(PROVIDER.update().where(PROVIDER.c.name == health.name).values(values))

    async def close_breaker(self, name: str, began: datetime) -> bool:
        """Close a circuit breaker that stays open until a message is delivered, if the call of the delivered message
        `began` after the breaker opened. Return whether it was closed."""
        done = await self._connection.write_now(_CLOSE_BREAKER, {"provider": name, "began": began})
        return done.rowcount == 1

    async def take_probe(self, health: Health, now: datetime) -> bool:
        """Return whether the caller may send the probe to a provider whose breaker is open. Only one caller may."""
        mine = (PROVIDER.c.name == health.name) & (PROVIDER.c.broken_at == health.broken_at)
        return (await self._connection.execute(PROVIDER.update().where(mine).values(broken_at=now))).rowcount == 1

    async def lock_lanes(self, names: Sequence[str], lane: str, now: datetime) -> dict[str, ProviderLane]:
        """Lock one lane of each of these providers, in the order of their names, until the transaction ends."""
        values = {"names": list(names), "lane": lane}
        rows = await self._connection.lock_after_writes(_LANES, values)
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
        """Write until when (real time) these lanes are booked, by provider. The caller has locked them."""
        values = {"names": list(until), "moments": list(until.values()), "lane": lane}
        await self._connection.write(_BOOK, values)
