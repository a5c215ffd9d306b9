"""Delete data that neither a contract nor its evidence needs any more, in batches with one transaction each.

A periodic task does this once an hour, on one of the workers. `qianda prune` does it on demand, or lists what would be
deleted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import structlog

from hub.lifecycle.evidence.delete_files import (
    AT_ONCE,
    DeletionLimits,
    choose_folders,
    count_orphans,
    count_superseded,
    delete_orphans,
    delete_superseded,
)
from hub.lifecycle.evidence.school_acts import record_pruned, refuse_issue_act
from hub.lifecycle.services import Services
from hub.model.evidence.retention import FILE_RETENTION, ORPHAN_FILES, SUPERSEDED_FILES, Prunable, list_retention
from hub.model.staff.scope import EVERYTHING
from hub.store.files.content_addressed import FOLDERS

# The most batches of rows in one hourly round. The next takes the rest, e.g. after the retention time was shortened.
MAX_BATCHES = 100
log = structlog.get_logger()


async def purge(services: Services, at_once: DeletionLimits = AT_ONCE) -> dict[str, int]:
    """Do the hourly round. Return the number of deleted items by kind. Each round searches only a part of the folders
    for files that no row names."""
    deleted = {}
    for kind in list_retention(services.documents.retention):
        deleted[kind] = await _delete_rows(services, kind, at_once, max_batches=MAX_BATCHES)
    deleted[SUPERSEDED_FILES] = await delete_superseded(services, at_once=at_once, most=at_once.max_requests)
    deleted[ORPHAN_FILES] = await delete_orphans(services, choose_folders(services.clock().hour))
    if any(deleted.values()):
        log.info("purged", **{kind: number for kind, number in deleted.items() if number})
    return deleted


async def prune(services: Services, actor: str, at_once: DeletionLimits = AT_ONCE) -> AsyncIterator[tuple[str, int]]:
    """Delete everything that may be deleted. Yield kind and number as soon as a kind is done. The school's record has
    an entry for each batch."""
    for kind in list_retention(services.documents.retention):
        yield kind, await _delete_rows(services, kind, at_once, actor)
    yield SUPERSEDED_FILES, await delete_superseded(services, actor, at_once)
    yield ORPHAN_FILES, await delete_orphans(services, FOLDERS, actor)


async def list_prunable(services: Services, at_once: DeletionLimits = AT_ONCE) -> AsyncIterator[Prunable]:
    """Yield what may be deleted now, kind by kind. Deletes nothing."""
    for kind, kept in list_retention(services.documents.retention).items():
        async with services.database.transaction(EVERYTHING) as tx:
            number, size = await tx.old_rows.count_old(kind, tx.now - kept)
        yield Prunable(kind, kept, number, size)
    yield Prunable(SUPERSEDED_FILES, FILE_RETENTION, *await count_superseded(services, at_once))
    yield Prunable(ORPHAN_FILES, FILE_RETENTION, *await count_orphans(services))


async def _delete_rows(
    services: Services, kind: str, at_once: DeletionLimits, actor: str | None = None, max_batches: int | None = None
) -> int:
    number = batches = 0
    while max_batches is None or batches < max_batches:
        async with services.database.transaction(EVERYTHING) as tx:
            kept = list_retention(services.documents.retention)[kind]
            deleted = await tx.old_rows.delete_old(kind, tx.now - kept, at_once.rows)
            await record_pruned(tx, kind, deleted, actor)
        number, batches = number + deleted, batches + 1
        if deleted < at_once.rows:
            break
    if kind == "replacements":
        async with services.database.transaction(EVERYTHING) as tx:  # separate: acts are locked before the record
            for act in await tx.issue_acts.lock_empty():
                await refuse_issue_act(tx, act, actor or "hub")
    return number
