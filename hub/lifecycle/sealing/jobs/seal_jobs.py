"""Seal jobs of other systems: begin one, and list the files of an object store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from hub.errors import BadInput
from hub.lifecycle.services import Services
from hub.model.sealing.seal_job import (
    MAX_FILES_OF_JOB,
    RATE_WINDOW,
    NewItem,
    SealClient,
    SealJob,
    SealJobState,
    SealTerms,
    check_keys,
    check_load,
    check_prefix,
    safe_name,
    with_own_names,
    would_overwrite,
)
from hub.model.sealing.seal_place import parse_seal_place
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.jobs import SEAL_FILES
from hub.store.transaction import Transaction

# Queue jobs for one seal job. This many workers can share its files.
LANES_OF_JOB = 2
# Rows that one statement adds.
ITEMS_AT_ONCE = 5_000
# From this many files on, the statistics of their table are gathered before the first file is leased.
MANY_ITEMS = 1_000


@dataclass(frozen=True)
class UploadedFiles:
    """Files that were uploaded into a folder of `SealJobFiles`."""

    folder: Path
    items: tuple[NewItem, ...]


@dataclass(frozen=True)
class NamedFiles:
    """Files of the object store of a job's source, by their keys."""

    keys: tuple[str, ...]


def check_terms(services: Services, client: SealClient, terms: SealTerms) -> None:
    """Raise BadInput for a place, a webhook or a store that does not exist or that this client may not use."""
    parse_seal_place(terms.place)
    for place, field in ((terms.source, "source"), (terms.target, "target")):
        if place is None:
            continue
        store = services.seal_files.stores.get(place.store)
        if store is None or client.name not in store.clients:
            raise BadInput("no object store of this name is configured for this key", field=f"{field}.store")
        check_prefix(place, f"{field}.prefix")
    if terms.target is not None and terms.target == terms.source:
        raise BadInput("the results would overwrite the files", field="target.prefix")
    if terms.webhook is not None and terms.webhook not in services.seal_files.webhooks:
        raise BadInput("no webhook of this name is configured", field="webhook")


async def begin_seal_job(
    services: Services, tx: Transaction, client: SealClient, terms: SealTerms, files: UploadedFiles | NamedFiles | None
) -> SealJob:
    """Begin a job. `files`: uploaded files, or files of the source by their keys; None for all files below the source's
    prefix, which a worker lists later.

    The transaction's scope must be all campuses. Grants are not checked here but at each use of the seal. Raises
    BadInput, SealNotFound, ManySealFiles.
    """
    check_terms(services, client, terms)
    await tx.seals.get(terms.seal)
    items = with_own_names(_items_of(terms, files))
    if would_overwrite(terms, items):
        raise BadInput("the results would overwrite the files", field="target.prefix")
    load = await tx.seal_jobs.get_load(client.key, tx.now - RATE_WINDOW)
    check_load(load, len(items), tx.now)
    job = SealJob(uuid4(), client, terms, SealJobState.LISTING, tx.now)
    await tx.seal_jobs.add(job)
    if files is not None:
        await _add_items(tx, job, items)
    if isinstance(files, UploadedFiles):
        await asyncio.to_thread(services.seal_files.folder.take_over, job.id, files.folder)
    await start_lanes(tx, job.id)
    return await tx.seal_jobs.get(job.id)


def _items_of(terms: SealTerms, files: UploadedFiles | NamedFiles | None) -> Sequence[NewItem]:
    if isinstance(files, UploadedFiles):
        return files.items
    if files is None or terms.source is None:
        return ()
    prefix = terms.source.prefix
    check_keys(terms.source, files.keys, "source.keys")
    return [NewItem(_name_of(key, prefix, number), key) for number, key in enumerate(files.keys)]


async def start_lanes(tx: Transaction, job: UUID) -> None:
    """Enqueue the queue jobs of a seal job, except those that are already waiting in the queue."""
    for lane in range(LANES_OF_JOB):
        await tx.jobs.enqueue(SEAL_FILES, {"job": str(job)}, f"{SEAL_FILES}-{job}-{lane}")


async def list_source(services: Services, job: SealJob) -> None:
    """List the files of a job in its object store. An interrupted listing starts again from the beginning.

    Raises StoreUnavailable.
    """
    source = job.terms.source
    if source is None:
        return
    store = services.seal_files.stores.get(source.store)
    if store is None:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.seal_jobs.stop(job.id, "no-store", tx.now)
        return
    found: list[NewItem] = []
    async for some in store.list_objects(source.prefix):
        found += [NewItem(_name_of(each.key, source.prefix, len(found)), each.key) for each in some if each.size]
        if len(found) > MAX_FILES_OF_JOB:
            async with services.database.transaction(EVERYTHING) as tx:
                await tx.seal_jobs.stop(job.id, "too-many-files", tx.now)
            return
    items = with_own_names(sorted(found, key=lambda item: item.source))
    async with services.database.transaction(EVERYTHING) as tx:
        if (await tx.seal_jobs.get(job.id, lock=True)).state is not SealJobState.LISTING:
            return
        if would_overwrite(job.terms, items):
            await tx.seal_jobs.stop(job.id, "would-overwrite", tx.now)
        else:
            await _add_items(tx, job, items)


async def _add_items(tx: Transaction, job: SealJob, items: Sequence[NewItem]) -> None:
    for start in range(0, len(items), ITEMS_AT_ONCE):
        await tx.seal_jobs.add_items(job, start + 1, items[start : start + ITEMS_AT_ONCE])
    if len(items) >= MANY_ITEMS:
        await tx.seal_jobs.analyze()
    await tx.seal_jobs.begin(job.id, len(items), tx.now)


def _name_of(key: str, prefix: str, number: int) -> str:
    """Return the name of a result: the path below the prefix, each part made safe as a file name."""
    below = key.removeprefix(prefix).lstrip("/")
    parts = [safe_name(part, number) for part in below.split("/") if part]
    return "/".join(parts) or safe_name(key, number)
