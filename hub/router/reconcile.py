"""Reconcile messages whose outcome is unknown, in batches. A message that fails does not delay the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from hub.errors import Unavailable
from hub.model.contract.contract import compute_error_backoff
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.staff.scope import EVERYTHING
from hub.router.failing_messages import FailingMessage, show_failing
from hub.router.providers import OTHER_HUBS_TIMEOUT
from hub.store.messaging.providers import ProviderCondition
from hub.store.transaction import Database

BUSY_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60, 120))
# Maximum number of batches in one call. The worker can stop between two calls.
MAX_BATCHES = 20
log = structlog.get_logger()


class SendDelivery(Protocol):
    """The type of `Router.send_delivery`."""

    async def __call__(
        self, delivery_id: UUID, *, fresh: bool, idle_since: datetime | None = None
    ) -> DeliveryState | None:
        """Send a committed attempt. Raises Unavailable."""


async def reconcile(database: Database, send_delivery: SendDelivery, before: datetime, known: Sequence[str]) -> int:
    """Reconcile messages whose outcome has been unknown since `before` or earlier. Return how many were tried.

    Stop after a batch without any progress. `known`: the names of the providers that are configured here.
    """
    seen: set[UUID] = set()
    for _ in range(MAX_BATCHES):
        async with database.transaction(EVERYTHING) as tx:
            ours = ProviderCondition(known, tx.now - OTHER_HUBS_TIMEOUT)
            open_ones = await tx.deliveries.list_unsettled(before, tx.planning_now, ours=ours)
        new = [each for each in open_ones if each.id not in seen]
        seen.update(each.id for each in new)
        results = await asyncio.gather(*(_reconcile_one(database, send_delivery, each, before) for each in new))
        if waiting := [str(result) for result in results if isinstance(result, Unavailable)]:
            log.warning("deliveries not reconciled", number=len(waiting), first_reason=waiting[0])
        if True not in results:
            break
    return len(seen)


async def _reconcile_one(
    database: Database, send_delivery: SendDelivery, delivery: Delivery, before: datetime
) -> bool | Unavailable:
    """Reconcile one message. Return whether its outcome is now known, or the error if it cannot be found out now."""
    try:
        after = await send_delivery(delivery.id, fresh=False, idle_since=before)
    except Unavailable as error:
        return error
    except Exception as error:
        log.exception("delivery not reconciled", id=str(delivery.id))
        await _postpone_failing(database, delivery, error)
        return False
    return after not in (DeliveryState.SENDING, DeliveryState.UNKNOWN)


async def _postpone_failing(database: Database, delivery: Delivery, error: Exception) -> None:
    """Postpone a message whose sending raised an error, with backoff, and show it to staff if it keeps failing."""
    since = delivery.planned_at or delivery.created_at
    with contextlib.suppress(Unavailable):
        async with database.transaction(EVERYTHING) as tx:
            if delivery.contract:
                await tx.contracts.lock([delivery.contract])
            now = tx.planning_now
            await tx.deliveries.put_off(delivery.id, now + compute_error_backoff(since, now))
            await show_failing(tx, error, FailingMessage(since, delivery.contract, delivery.signer, delivery.campus))
