"""Delete stored files that nobody needs any more.

A version whose bytes are the beginning of a later file becomes a part of it: its row then names the later file, and its
own file is deleted only after that commit. If a process dies in between, no harm is done: the requests are not marked
yet, so the next round begins with them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from hub.errors import UnreadableFile
from hub.lifecycle.evidence.school_acts import record_pruned
from hub.lifecycle.services import Services
from hub.model.evidence.file_parts import ContractFiles, StoredVersion, find_beginnings
from hub.model.evidence.retention import FILE_RETENTION, ORPHAN_FILES, PREPARED_FILE_RETENTION, SUPERSEDED_FILES
from hub.model.staff.scope import EVERYTHING
from hub.store.evidence.stored_files import DoneBefore, DoneRequest
from hub.store.files.content_addressed import FOLDERS, FoundFile

BEFORE_ALL = UUID(int=0)
# Folders of the store that one hourly round searches, so that all folders are searched in a day.
FOLDERS_A_ROUND = 11
log = structlog.get_logger()


@dataclass(frozen=True)
class DeletionLimits:
    """How much is deleted at once.

    `rows`, `requests`: in one transaction; the files of the requests' contracts are read between two transactions.
    `max_requests`: in one hourly round. Most contracts have two requests, and their files are read within minutes.
    """

    rows: int = 1000
    requests: int = 200
    max_requests: int = 50_000


AT_ONCE = DeletionLimits()


# ---- files of finished requests and earlier versions


async def delete_superseded(
    services: Services, actor: str | None = None, at_once: DeletionLimits = AT_ONCE, most: int | None = None
) -> int:
    """Delete the prepared files of finished requests, and the files that their signatures superseded.

    `actor`: who asked for it, for the school's record. `most`: stop after about this many requests. Return the number
    of requests.
    """
    number, after = 0, BEFORE_ALL
    while (most is None or number < most) and (found := await _list_done(services, after, at_once)):
        async with _deleting(services) as may_delete:
            if not may_delete:
                break
            sound = await _make_parts(services, {each.contract for each in found if each.is_embedded})
            contracts = {each.contract for each in sound}
            done = [each for each in found if not each.is_embedded or each.contract in contracts]
            for sha256 in _choose_files(done, sound):
                await services.files.delete(sha256)
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.stored_files.mark_deleted([each.id for each in done], tx.now)
            await record_pruned(tx, SUPERSEDED_FILES, len(done), actor)
        number, after = number + len(done), found[-1].id
    return number


@asynccontextmanager
async def _deleting(services: Services) -> AsyncIterator[bool]:
    """Yield whether files may be deleted: not while a backup is being written, because its database names files that
    are not copied yet. A backup waits until the block ends."""
    async with services.database.transaction(EVERYTHING) as tx:
        may_delete = await tx.stored_files.begin_deleting()
        if not may_delete:
            log.info("files stay while a backup is written")
        yield may_delete


def _choose_files(done: Sequence[DoneRequest], sound: Sequence[ContractFiles]) -> set[str]:
    """Return the files (SHA-256) that these requests leave behind: their prepared ones, and those that an embedded
    signature superseded. `sound`: their contracts, without those whose present file is damaged."""
    prepared = {each.prepared for each in done if not each.is_needed}
    superseded = {sha256 for each in sound for sha256 in each.superseded}
    return prepared | (superseded & {each.base for each in done if each.is_embedded})


async def _list_done(services: Services, after: UUID, at_once: DeletionLimits) -> list[DoneRequest]:
    async with services.database.transaction(EVERYTHING) as tx:
        before = DoneBefore(tx.now - PREPARED_FILE_RETENTION, tx.now - FILE_RETENTION)
        return await tx.stored_files.list_done_requests(before, after, at_once.requests)


async def _make_parts(services: Services, contracts: Iterable[UUID]) -> list[ContractFiles]:
    """Turn the versions of these contracts into parts of the present file. Return the contracts whose superseded files
    may be deleted."""
    ids = list(contracts)
    if not ids:
        return []
    async with services.database.transaction(EVERYTHING) as tx:
        found = await tx.stored_files.list_versions(ids)
    parts: dict[int, str] = {}
    sound = []
    for each in found:
        beginnings = await _find_beginnings(services, each)
        if beginnings is not None:
            parts |= {version.id: each.document for version in beginnings}
            sound.append(each.contract)
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.contracts.lock(sound)
        await tx.stored_files.put_parts(parts)
        return await tx.stored_files.list_versions(sound)


async def _find_beginnings(services: Services, contract: ContractFiles) -> list[StoredVersion] | None:
    """Return the versions that are the beginning of the present file; None if the present file is damaged.

    The present file is read completely even if there is nothing to compare, because no other file may be deleted while
    it is damaged.
    """
    if not contract.is_sound:
        log.error("the newest version is not the present document", contract=str(contract.contract))
        return None
    try:
        content = await services.files.get(contract.document)
    except UnreadableFile as error:
        log.error("a stored file is damaged", contract=str(contract.contract), error=str(error))
        return None
    return await asyncio.to_thread(find_beginnings, content, contract.to_compare)


async def count_superseded(services: Services, at_once: DeletionLimits) -> tuple[int, int]:
    """Return the number of finished requests, and the size in bytes of the files that would be deleted with them.

    This assumes that each version is the beginning of the present file. A version that is not would be kept.
    """
    number, size, after = 0, 0, BEFORE_ALL
    while found := await _list_done(services, after, at_once):
        files = {each.prepared for each in found if not each.is_needed} | {
            each.base for each in found if each.is_embedded
        }
        sizes = await asyncio.gather(*(services.files.get_size(each) for each in files))
        number, size, after = number + len(found), size + sum(sizes), found[-1].id
    return number, size


# ---- files that no row names


async def delete_orphans(services: Services, folders: Sequence[str] = FOLDERS, actor: str | None = None) -> int:
    """Delete old files of these folders that no row names. Return how many."""
    number, before = 0, services.clock() - FILE_RETENTION
    for folder in folders:
        async with _deleting(services) as may_delete:
            if not may_delete:
                break
            async for orphan in _find_orphans(services, [folder], before):
                if await services.files.delete_found(orphan.path, before):
                    log.info("orphan file deleted", path=orphan.path, size=orphan.size)
                    number += 1
    async with services.database.transaction(EVERYTHING) as tx:
        await record_pruned(tx, ORPHAN_FILES, number, actor)
    return number


async def count_orphans(services: Services) -> tuple[int, int]:
    """Return the number and total size in bytes of old files that no row names."""
    before = services.clock() - FILE_RETENTION
    sizes = [orphan.size async for orphan in _find_orphans(services, FOLDERS, before)]
    return len(sizes), sum(sizes)


def choose_folders(hour: int) -> Sequence[str]:
    """Return the folders that the round of this hour of the day searches."""
    return FOLDERS[hour * FOLDERS_A_ROUND : (hour + 1) * FOLDERS_A_ROUND]


async def _find_orphans(services: Services, folders: Iterable[str], before: datetime) -> AsyncIterator[FoundFile]:
    """Yield files last written before this moment that no row names, including half-written ones."""
    for folder in folders:
        async for found in services.files.list_old(folder, before):
            async with services.database.transaction(EVERYTHING) as tx:
                named = await tx.stored_files.list_named([each.sha256 for each in found if each.sha256])
            for each in found:
                if each.sha256 not in named:
                    yield each
