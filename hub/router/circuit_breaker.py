"""How the providers fare: who gets less, who is broken, and what staff are told of it."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from channels import AccountTrouble, NotNow
from hub.model.messaging.provider import FILTERED_STORM, LONG_REST, MAX_REST, STORM_WINDOW
from hub.model.staff.accounts import EVERYTHING
from hub.model.staff.alert_texts import Facts
from hub.router.providers import Booked, Carrier
from hub.store.transaction import Database, Transaction

log = structlog.get_logger()
# Seconds. Whoever waited longer for their turn looks whether the provider said meanwhile that it wants to rest.
LONG_TURN = 0.2
STORM = "networks hold its messages back as spam"


class Resting(NotNow):
    """It was told to leave the provider alone while a message waited for its turn there: nobody was called."""


class Healths:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def not_now(self, carrier: Carrier, error: NotNow) -> None:
        """It took nothing, and said why."""
        if isinstance(error, AccountTrouble):
            await self.broken(carrier, str(error))
        elif not isinstance(error, Resting):
            await self.worse(carrier, str(error), error.retry_after)

    async def turn(self, booked: Booked) -> None:
        """Wait for the turn of a message at its provider. Raises Resting."""
        wait = (booked.at - self._database.clock()).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)
        if wait > LONG_TURN:
            await self._still_awake(booked.carrier)

    async def _still_awake(self, carrier: Carrier) -> None:
        async with self._database.transaction(EVERYTHING) as tx:
            health = (await tx.providers.healths([carrier.name])).get(carrier.name)
            if health and health.rests(tx.now):
                raise Resting("wants to be left alone for a while")

    async def worse(self, carrier: Carrier, reason: str, rest: timedelta | None = None) -> None:
        """An error or a slow receipt: it gets less for a while, and nothing for as long as it said itself (`rest`)."""
        async with self._database.transaction(EVERYTHING) as tx:
            await self.lower(tx, carrier, reason, rest)

    async def lower(self, tx: Transaction, carrier: Carrier, reason: str, rest: timedelta | None = None) -> None:
        health = await tx.providers.locked(carrier.name, carrier.provider.weight, tx.now)
        health = health.lowered(carrier.provider.weight, tx.now)
        await tx.providers.put(health.resting(rest, tx.now) if rest else health)
        log.warning("provider in trouble", provider=carrier.name, reason=reason)
        if rest and rest > LONG_REST:
            await self._tell(tx, carrier, min(rest, MAX_REST))

    async def _tell(self, tx: Transaction, carrier: Carrier, rest: timedelta) -> None:
        """Once a day, however often it says so."""
        day = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
        if await tx.budgets.spend("alarm", f"provider-rests/{carrier.name}", day, 1):
            facts: Facts = {"provider": carrier.name, "minutes": round(rest / timedelta(minutes=1))}
            await tx.alerts.add("provider-rests", facts, tx.now)

    async def broken(self, carrier: Carrier, reason: str) -> None:
        """Its account takes nothing until a person mends it: no traffic, and staff are told, once."""
        async with self._database.transaction(EVERYTHING) as tx:
            await self._break(tx, carrier, reason)

    async def answered(self, carrier: Carrier) -> None:
        """It took a message. If it was broken, it no longer is, unless it was broken by what receipts said."""
        async with self._database.transaction(EVERYTHING) as tx:
            health = await tx.providers.locked(carrier.name, carrier.provider.weight, tx.now)
            if health.broken_at is not None and not health.until_delivered:
                await tx.providers.put(health.mended())

    async def filtered(self, tx: Transaction, carrier: Carrier) -> None:
        """One filtered message is an accident; a storm of them stops this provider, before it gets worse."""
        if await tx.deliveries.filtered_since(carrier.name, tx.now - STORM_WINDOW) >= FILTERED_STORM:
            await self._break(tx, carrier, STORM, until_delivered=True)

    async def account(self, tx: Transaction, carrier: Carrier, reason: str) -> None:
        """A receipt says that nothing of this account gets through."""
        await self._break(tx, carrier, reason, until_delivered=True)

    async def _break(self, tx: Transaction, carrier: Carrier, reason: str, *, until_delivered: bool = False) -> None:
        health = await tx.providers.locked(carrier.name, carrier.provider.weight, tx.now)
        if health.broken_at is None:
            await tx.alerts.add("provider-broken", {"provider": carrier.name, "reason": reason}, tx.now)
        await tx.providers.put(health.broken(reason, tx.now, until_delivered=until_delivered))


async def arrived(tx: Transaction, carrier: Carrier, began: datetime | None) -> None:
    """A message whose call began then has reached its person: a provider that was broken before is well again."""
    if began is None:
        return
    health = (await tx.providers.healths([carrier.name])).get(carrier.name)
    if health and health.broken_at and health.until_delivered and began >= health.broken_at:
        health = await tx.providers.locked(carrier.name, carrier.provider.weight, tx.now)
        await tx.providers.put(health.mended())
