"""What was kept long enough is deleted: calls of providers, what people wrote to us, periods of budgets, how jobs
went, files that were prepared in vain.

Once an hour over all workers (a duty), in batches, each a transaction of its own, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from hub.lifecycle.services import Parts
from hub.model.evidence.retention import COUNTED_FOR, JOBS_LOGGED_FOR, PREPARED_LEFT_FOR
from hub.model.staff.accounts import EVERYTHING
from hub.store.unit import Unit

BATCH = 1000
MOST_BATCHES = 100
"""So many in a row; the rest, say after the time was made shorter, in the next round."""
log = structlog.get_logger()


async def purge(parts: Parts) -> dict[str, int]:
    """How many of each were deleted."""

    async def calls(unit: Unit, limit: int) -> int:
        return await unit.callbacks.forget(unit.now - parts.retention.calls, limit)

    async def inbound(unit: Unit, limit: int) -> int:
        return await unit.inbound.forget(unit.now - parts.retention.inbound, limit)

    async def periods(unit: Unit, limit: int) -> int:
        return await unit.budgets.forget(unit.now - COUNTED_FOR, limit)

    async def jobs(unit: Unit, limit: int) -> int:
        return await unit.jobs.forget(unit.now - JOBS_LOGGED_FOR, limit)

    kinds = {"calls": calls, "inbound": inbound, "periods": periods, "jobs": jobs}
    deleted = {kind: await _in_batches(parts, forget) for kind, forget in kinds.items()}
    deleted["prepared"] = await _prepared_files(parts)
    if any(deleted.values()):
        log.info("purged", **deleted)
    return deleted


async def _prepared_files(parts: Parts) -> int:
    """Files that a signer can no longer sign, since they began again or somebody was quicker. No transaction is open
    while a file is deleted; a file that could not be deleted stays, which is harmless."""
    number = 0
    for _ in range(MOST_BATCHES):
        async with parts.database.unit(EVERYTHING) as unit:
            found = await unit.signatures.left_behind(unit.now - PREPARED_LEFT_FOR, BATCH)
        for sha256 in {each.prepared for each in found if not each.needed}:
            await parts.files.delete(sha256)
        async with parts.database.unit(EVERYTHING) as unit:
            await unit.signatures.prepared_deleted([each.request for each in found], unit.now)
        number += len(found)
        if len(found) < BATCH:
            break
    return number


async def _in_batches(parts: Parts, forget: Callable[[Unit, int], Awaitable[int]]) -> int:
    number = 0
    for _ in range(MOST_BATCHES):
        async with parts.database.unit(EVERYTHING) as unit:
            deleted = await forget(unit, BATCH)
        number += deleted
        if deleted < BATCH:
            break
    return number
