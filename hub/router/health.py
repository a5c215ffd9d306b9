"""How the providers fare: who gets less, who is broken, and what staff are told of it."""

from __future__ import annotations

import structlog

from hub.model.provider import FILTERED_STORM, STORM_WINDOW
from hub.model.staff import EVERYTHING
from hub.router.carriers import Carrier
from hub.store.unit import Database, Unit

log = structlog.get_logger()
STORM = "networks hold its messages back as spam"


class Healths:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def worse(self, carrier: Carrier, reason: str) -> None:
        """An error or a slow receipt: it gets less for a while."""
        async with self._database.unit(EVERYTHING) as unit:
            await self.lower(unit, carrier, reason)

    async def lower(self, unit: Unit, carrier: Carrier, reason: str) -> None:
        health = await unit.providers.locked(carrier.name, carrier.provider.weight, unit.now)
        await unit.providers.put(health.lowered(carrier.provider.weight, unit.now))
        log.warning("provider in trouble", provider=carrier.name, reason=reason)

    async def broken(self, carrier: Carrier, reason: str) -> None:
        """Its account takes nothing until a person mends it: no traffic, and staff are told, once."""
        async with self._database.unit(EVERYTHING) as unit:
            await self._break(unit, carrier, reason)

    async def answered(self, carrier: Carrier) -> None:
        """It took a message. If it was broken, it no longer is."""
        async with self._database.unit(EVERYTHING) as unit:
            known = await unit.providers.healths([carrier.name])
            if (health := known.get(carrier.name)) and health.broken_at is not None:
                await unit.providers.put(health.mended())

    async def filtered(self, unit: Unit, carrier: Carrier) -> None:
        """One filtered message is an accident; a storm of them stops this provider, before it gets worse."""
        if await unit.deliveries.filtered_since(carrier.name, unit.now - STORM_WINDOW) >= FILTERED_STORM:
            await self._break(unit, carrier, STORM)

    async def _break(self, unit: Unit, carrier: Carrier, reason: str) -> None:
        health = await unit.providers.locked(carrier.name, carrier.provider.weight, unit.now)
        if health.broken_at is None:
            await unit.alerts.add("provider-broken", f"{carrier.name}: {reason}", unit.now)
        await unit.providers.put(health.broken(reason, unit.now))
