"""Messages whose fate is open: they are taken up in batches, and none of them holds up the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from hub.errors import Unavailable
from hub.model.contract.contract import retry_after_error
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.staff.accounts import EVERYTHING
from hub.router.failing import show_failing
from hub.router.providers import LEFT_TO_OTHERS
from hub.store.messaging.providers import OfProviders
from hub.store.transaction import Database

BUSY_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60, 120))
# So many in a row, when a long wait is made up for; then the worker looks whether it has to stop.
MAX_BATCHES = 20
log = structlog.get_logger()


class Carry(Protocol):
    """`Router.carry`."""

    async def __call__(
        self, delivery_id: UUID, *, fresh: bool, idle_since: datetime | None = None
    ) -> DeliveryState | None:
        """Bring one message on. Raises Unavailable."""


async def settle(database: Database, carry: Carry, before: datetime, known: Sequence[str]) -> int:
    """Bring on what is open since `before`, as long as any of them comes on; returns how many there were. `known`: the
    providers that are configured here."""
    seen: set[UUID] = set()
    for _ in range(MAX_BATCHES):
        async with database.transaction(EVERYTHING) as tx:
            ours = OfProviders(known, tx.now - LEFT_TO_OTHERS)
            open_ones = await tx.deliveries.unsettled(before, tx.planning_now, ours=ours)
        new = [each for each in open_ones if each.id not in seen]
        seen.update(each.id for each in new)
        if not any(await asyncio.gather(*(_one(database, carry, each, before) for each in new))):
            break
    return len(seen)


async def _one(database: Database, carry: Carry, delivery: Delivery, before: datetime) -> bool:
    """Whether its fate is known now."""
    try:
        after = await carry(delivery.id, fresh=False, idle_since=before)
    except Unavailable as error:
        log.warning("delivery not settled", id=str(delivery.id), reason=str(error))
        return False
    except Exception as error:
        log.exception("delivery not settled", id=str(delivery.id))
        await _set_aside(database, delivery, error)
        return False
    return after not in (DeliveryState.SENDING, DeliveryState.UNKNOWN)


async def _set_aside(database: Database, delivery: Delivery, error: Exception) -> None:
    """Whatever is wrong with it: it is tried again, ever later, and the others do not wait for it. Staff hear of it."""
    since = delivery.planned_at or delivery.created_at
    with contextlib.suppress(Unavailable):
        async with database.transaction(EVERYTHING) as tx:
            if delivery.contract:
                await tx.contracts.hold([delivery.contract])
            now = tx.planning_now
            await tx.deliveries.put_off(delivery.id, now + retry_after_error(since, now))
            await show_failing(
                tx, error, since=since, contract=delivery.contract, signer=delivery.signer, campus=delivery.campus
            )
