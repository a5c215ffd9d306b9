"""Retention: delete what neither a contract nor its evidence needs, in batches with a transaction each.

A periodic task runs it once an hour over all workers; `qianda prune` runs it on demand, or says what would go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from hub.lifecycle.evidence.delete_files import (
    choose_folders,
    count_orphans,
    count_superseded,
    delete_orphans,
    delete_superseded,
)
from hub.lifecycle.evidence.school_acts import record_pruned
from hub.lifecycle.services import Services
from hub.model.evidence.retention import FILE_RETENTION, ORPHAN_FILES, SUPERSEDED_FILES, Prunable, list_retention
from hub.model.staff.accounts import EVERYTHING
from hub.store.kernel.files import FOLDERS

BATCH = 1000
# The most batches of rows in one hourly round. The rest follows in the next round, e.g. after the retention time was
# shortened.
MAX_BATCHES = 100
# Likewise the most requests whose files go in one round: half as many contracts, a few minutes of reading.
MAX_REQUESTS = 50_000
log = structlog.get_logger()


async def purge(services: Services) -> dict[str, int]:
    """Do the hourly round. Return the numbers by kind. Of files that no row names it looks for a part each time."""
    deleted = {}
    for kind in list_retention(services.documents.retention):
        deleted[kind] = await _delete_rows(services, kind, None, MAX_BATCHES)
    deleted[SUPERSEDED_FILES] = await delete_superseded(services, most=MAX_REQUESTS)
    deleted[ORPHAN_FILES] = await delete_orphans(services, choose_folders(services.clock().hour))
    if any(deleted.values()):
        log.info("purged", **{kind: number for kind, number in deleted.items() if number})
    return deleted


async def prune(services: Services, actor: str) -> AsyncIterator[tuple[str, int]]:
    """Delete all that may go. Yield the number by kind as soon as a kind is done. Each batch stands in the school's
    record."""
    for kind in list_retention(services.documents.retention):
        yield kind, await _delete_rows(services, kind, actor)
    yield SUPERSEDED_FILES, await delete_superseded(services, actor)
    yield ORPHAN_FILES, await delete_orphans(services, FOLDERS, actor)


async def list_prunable(services: Services) -> AsyncIterator[Prunable]:
    """Yield what may go by now, kind by kind. Deletes nothing."""
    for kind, kept in list_retention(services.documents.retention).items():
        async with services.database.transaction(EVERYTHING) as tx:
            number, size = await tx.old_rows.count_old(kind, tx.now - kept)
        yield Prunable(kind, kept, number, size)
    yield Prunable(SUPERSEDED_FILES, FILE_RETENTION, *await count_superseded(services))
    yield Prunable(ORPHAN_FILES, FILE_RETENTION, *await count_orphans(services))


async def _delete_rows(services: Services, kind: str, actor: str | None, max_batches: int | None = None) -> int:
    number = batches = 0
    while max_batches is None or batches < max_batches:
        async with services.database.transaction(EVERYTHING) as tx:
            kept = list_retention(services.documents.retention)[kind]
            deleted = await tx.old_rows.delete_old(kind, tx.now - kept, BATCH)
            await record_pruned(tx, kind, deleted, actor)
        number, batches = number + deleted, batches + 1
        if deleted < BATCH:
            break
    return number
