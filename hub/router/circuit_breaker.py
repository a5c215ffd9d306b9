"""Circuit breaker and weights of the providers, and the alerts about them."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from channels import AccountTrouble, NotNow
from hub.model.messaging.provider import FILTERED_STORM, LONG_PAUSE, MAX_PAUSE, STORM_WINDOW
from hub.model.staff.alert_texts import Facts
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import BookedProvider, Provider
from hub.store.transaction import Database, Transaction

log = structlog.get_logger()
# After a wait of more than this many seconds for the rate limit, check whether the provider has asked for a pause.
LONG_SLOT_WAIT = 0.2
SPAM_STORM = "networks filter its messages as spam"


class ProviderPaused(NotNow):
    """The provider asked for a pause while a message waited for its rate limit, so the provider was not called."""


class CircuitBreaker:
    """The circuit breaker of all providers. It keeps their health in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record_refusal(self, provider: Provider, error: NotNow) -> None:
        """Record that a provider did not take a message, and why."""
        if isinstance(error, AccountTrouble):
            async with self._database.transaction(EVERYTHING) as tx:
                await self.open_breaker(tx, provider, str(error))
        elif not isinstance(error, ProviderPaused):
            await self.record_error(provider, str(error), error.retry_after)

    async def wait_for_slot(self, booked: BookedProvider) -> None:
        """Wait for the slot of a message in the provider's rate limit. Raises ProviderPaused."""
        wait = (booked.at - self._database.clock()).total_seconds()
        if wait > 0:
            await asyncio.sleep(wait)
        if wait <= LONG_SLOT_WAIT:
            return
        async with self._database.transaction(EVERYTHING) as tx:
            health = (await tx.providers.get_healths([booked.provider.name])).get(booked.provider.name)
            if health and health.is_paused(tx.now):
                raise ProviderPaused("has asked for a pause")

    async def record_error(self, provider: Provider, reason: str, rest: timedelta | None = None) -> None:
        """Lower the weight of a provider after an error. `rest`: the pause that it asked for."""
        async with self._database.transaction(EVERYTHING) as tx:
            await self.record_error_in(tx, provider, reason, rest)

    async def record_error_in(
        self, tx: Transaction, provider: Provider, reason: str, rest: timedelta | None = None
    ) -> None:
        """Lower the weight of a provider in this transaction, and pause the provider for `rest`."""
        health = await tx.providers.lock_health(provider.name, provider.settings.weight, tx.now)
        if health.is_well(provider.settings.weight, tx.now):  # log it once, not for each message
            log.warning("provider in trouble", provider=provider.name, reason=reason)
        health = health.lower_weight(provider.settings.weight, tx.now)
        await tx.providers.put(health.pause_for(rest, tx.now) if rest else health)
        if rest and rest > LONG_PAUSE:
            await self._alert_about_pause(tx, provider, min(rest, MAX_PAUSE))

    async def _alert_about_pause(self, tx: Transaction, provider: Provider, rest: timedelta) -> None:
        """Alert staff about a long pause, at most once a day for each provider."""
        day = tx.now.replace(hour=0, minute=0, second=0, microsecond=0)
        if await tx.budgets.consume("alarm", f"provider-rests/{provider.name}", day, 1):
            facts: Facts = {"provider": provider.name, "minutes": round(rest / timedelta(minutes=1))}
            await tx.alerts.add("provider-rests", facts, tx.now)

    async def record_accepted(self, provider: Provider) -> None:
        """Close the circuit breaker after an accepted message, unless it was opened by receipts."""
        async with self._database.transaction(EVERYTHING) as tx:
            health = await tx.providers.lock_health(provider.name, provider.settings.weight, tx.now)
            if health.broken_at is not None and not health.until_delivered:
                await tx.providers.put(health.close_breaker())
                log.info("provider works again", provider=provider.name)

    async def record_filtered(self, tx: Transaction, provider: Provider) -> None:
        """Record a message filtered as spam. FILTERED_STORM of them open the circuit breaker."""
        if await tx.deliveries.count_filtered(provider.name, tx.now - STORM_WINDOW) >= FILTERED_STORM:
            await self.open_breaker(tx, provider, SPAM_STORM, until_delivered=True)

    async def open_breaker(
        self, tx: Transaction, provider: Provider, reason: str, *, until_delivered: bool = False
    ) -> None:
        """Open the circuit breaker, because a person has to look at the provider's account. Staff are alerted once.
        `until_delivered`: receipts are the reason, so only a message that is delivered closes it again."""
        health = await tx.providers.lock_health(provider.name, provider.settings.weight, tx.now)
        if health.broken_at is None:
            await tx.alerts.add("provider-broken", {"provider": provider.name, "reason": reason}, tx.now)
            # Log it once each time the breaker opens, not for each message.
            log.warning("provider refuses everything", provider=provider.name, reason=reason)
        await tx.providers.put(health.open_breaker(reason, tx.now, until_delivered=until_delivered))


async def record_arrival(tx: Transaction, provider: Provider, began: datetime | None) -> None:
    """Close the circuit breaker if the call for a delivered message `began` after the breaker opened."""
    if began is not None and await tx.providers.close_breaker(provider.name, began):
        log.info("provider works again", provider=provider.name)
