"""Retention: deletes old webhooks, inbound messages, budget counters, job logs, rosters and unused prepared files.

A periodic task runs it once an hour over all workers, in batches with a transaction each, so that it blocks nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from hub.lifecycle.services import Services
from hub.model.evidence.retention import BUDGET_RETENTION, JOB_LOG_RETENTION, PREPARED_FILE_RETENTION
from hub.model.school.roster_upload import ROSTER_RETENTION
from hub.model.staff.accounts import EVERYTHING
from hub.store.transaction import Transaction

BATCH = 1000
# The most batches in one round. The rest follows in the next round, e.g. after the retention time was shortened.
MAX_BATCHES = 100
log = structlog.get_logger()


async def purge(services: Services) -> dict[str, int]:
    """Delete what has been kept long enough; returns the numbers by kind."""

    async def calls(tx: Transaction, limit: int) -> int:
        return await tx.callbacks.forget(tx.now - services.documents.retention.calls, limit)

    async def inbound(tx: Transaction, limit: int) -> int:
        return await tx.inbound.forget(tx.now - services.documents.retention.inbound, limit)

    async def periods(tx: Transaction, limit: int) -> int:
        return await tx.budgets.forget(tx.now - BUDGET_RETENTION, limit)

    async def jobs(tx: Transaction, limit: int) -> int:
        return await tx.jobs.forget(tx.now - JOB_LOG_RETENTION, limit)

    async def rosters(tx: Transaction, limit: int) -> int:
        return await tx.rosters.forget(tx.now - ROSTER_RETENTION, limit)

    kinds = {"calls": calls, "inbound": inbound, "periods": periods, "jobs": jobs, "rosters": rosters}
    deleted = {kind: await _in_batches(services, forget) for kind, forget in kinds.items()}
    deleted["prepared"] = await _prepared_files(services)
    if any(deleted.values()):
        log.info("purged", **deleted)
    return deleted


async def _prepared_files(services: Services) -> int:
    """Delete prepared files that can no longer be signed, because of a newer one or a faster signer.

    No transaction is open while a file is deleted. If deleting fails the file stays, which is harmless.
    """
    number = 0
    for _ in range(MAX_BATCHES):
        async with services.database.transaction(EVERYTHING) as tx:
            found = await tx.signatures.left_behind(tx.now - PREPARED_FILE_RETENTION, BATCH)
        for sha256 in {each.prepared for each in found if not each.needed}:
            await services.files.delete(sha256)
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.signatures.prepared_deleted([each.request for each in found], tx.now)
        number += len(found)
        if len(found) < BATCH:
            break
    return number


async def _in_batches(services: Services, forget: Callable[[Transaction, int], Awaitable[int]]) -> int:
    number = 0
    for _ in range(MAX_BATCHES):
        async with services.database.transaction(EVERYTHING) as tx:
            deleted = await forget(tx, BATCH)
        number += deleted
        if deleted < BATCH:
            break
    return number
