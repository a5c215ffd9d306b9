"""Run a seal job: a worker leases some files at a time, with two transactions for each lease and no file sealed twice.

Before the key signs, each file has a line in the register of seals and its result has a name. When a worker dies, its
lease ends. The worker that claims the files next finds the finished results and continues with the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from hub.errors import DiskFull, Unavailable
from hub.lifecycle.sealing.jobs.seal_chunk import Chunk, seal_chunk
from hub.lifecycle.sealing.jobs.seal_jobs import list_source
from hub.lifecycle.sealing.seals.use_seal import end_seal_uses
from hub.lifecycle.services import Services
from hub.model.sealing.seal_job import FILES_AT_FIRST, ItemOutcome, SealJobState, plan_lease
from hub.model.sealing.seal_use import EndedUse
from hub.model.staff.scope import EVERYTHING
from hub.store.files.free_space import explain_full_disk

# Leases that a worker holds at a time: while the files of one are fetched, synced and stored, the other's are sealed.
LEASES_AT_ONCE = 2
# How long a dead worker keeps its files; a live one renews its lease after a third of this time.
LEASE = timedelta(seconds=60)
# A run of the job claims no more files after this time. The job's next start in the queue continues.
MAX_RUN = timedelta(seconds=20)
# Pause before files are tried again when a service that all of them need is unavailable, or when files of other leases
# hold the remaining uses of their grant.
REST = timedelta(seconds=10)


async def run_seal_job(services: Services, job_id: UUID, goes_on: Callable[[], bool]) -> bool:
    """Seal files of a job until none is left or `goes_on` returns False. Return whether files may be left.

    Raises Unavailable; the files that were begun are claimed again after REST.
    """
    async with services.database.transaction(EVERYTHING) as tx:
        job = await tx.seal_jobs.get(job_id)
    if job.ended_at is not None:
        return False
    if job.state is SealJobState.LISTING:
        await list_source(services, job)
    failed = False

    async def lease_after_lease() -> bool:
        nonlocal failed
        try:
            return await _run_leases(services, job_id, lambda: goes_on() and not failed)
        except BaseException:
            failed = True  # the other one claims no more
            raise

    is_small = 0 < job.total <= FILES_AT_FIRST
    leases = [lease_after_lease() for _ in range(1 if is_small else LEASES_AT_ONCE)]
    are_left = await asyncio.gather(*leases, return_exceptions=True)
    for each in are_left:
        if isinstance(each, BaseException):
            raise each
    return any(are_left)


async def _run_leases(services: Services, job_id: UUID, goes_on: Callable[[], bool]) -> bool:
    chunk, most = await _claim(services, job_id), FILES_AT_FIRST
    while chunk is not None:
        began = time.monotonic()
        try:
            async with _lease_renewed(services, chunk):
                with explain_full_disk():
                    await seal_chunk(services, chunk)
        except Unavailable:
            await _give_back(services, chunk)
            raise
        except Exception:  # store the finished outcomes; the next start of the job seals the other files
            await _end(services, chunk, claims=0)
            raise
        most = plan_lease(len(chunk.items), time.monotonic() - began)
        following = await _end(services, chunk, claims=most if goes_on() else 0)
        if following is None:
            return not goes_on()
        chunk = following
    return False


async def _claim(services: Services, job_id: UUID) -> Chunk | None:
    async with services.database.transaction(EVERYTHING) as tx:
        job = await tx.seal_jobs.get(job_id)
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(job_id, FILES_AT_FIRST, tx.now, held)
        return Chunk(job, await tx.seals.get(job.terms.seal), items, held) if items else None


async def _end(services: Services, chunk: Chunk, *, claims: int) -> Chunk | None:
    """Write the outcomes of the files, and claim up to `claims` more. Files without an outcome stay as they are.

    Raises DiskFull, after releasing all files: it is not asked again whether the results are on the disk, because some
    systems report a failed write only once.
    """
    outcomes = list(chunk.outcomes.values())
    if chunk.job.terms.target is None:
        numbers = [outcome.item.number for outcome in outcomes if outcome.fault is None]
        try:
            with explain_full_disk():  # some file systems say only now that something does not fit
                await asyncio.to_thread(services.seal_files.folder.sync_results, chunk.job.id, numbers)
        except DiskFull:
            await _release(services, chunk)
            raise
    async with services.database.transaction(EVERYTHING) as tx:
        ended = await tx.seal_jobs.end_items(chunk.job.id, chunk.held, outcomes, tx.now)
        ours = [outcome for outcome in outcomes if outcome.item.number in ended]
        uses = [EndedUse(each.item.use, each.result_sha256, each.fault.value if each.fault else None) for each in ours]
        await end_seal_uses(tx, uses)
        if chunk.postponed:
            until = tx.now + REST if chunk.waits_for_others else tx.now
            await tx.seal_jobs.put_back(chunk.job.id, chunk.held, chunk.postponed, until)
        held = tx.now + LEASE
        items = await tx.seal_jobs.claim(chunk.job.id, claims, tx.now, held) if claims else []
    await asyncio.to_thread(_tidy, services, chunk, ours)
    return Chunk(chunk.job, chunk.seal, items, held) if items else None


async def _give_back(services: Services, chunk: Chunk) -> None:
    """Write the known outcomes, and release the other files for a later start of the job."""
    chunk.postponed.clear()  # they wait as long as the files whose uses they need
    await _end(services, chunk, claims=0)
    await _release(services, chunk)


async def _release(services: Services, chunk: Chunk) -> None:
    async with services.database.transaction(EVERYTHING) as tx:
        await tx.seal_jobs.release(chunk.job.id, chunk.held, tx.now + REST)


def _tidy(services: Services, chunk: Chunk, ended: Sequence[ItemOutcome]) -> None:
    """Delete files that are not needed any more: sources, and results that were sent to an object store."""
    files = services.seal_files.folder
    for outcome in ended:
        files.forget_source(outcome.item.job, outcome.item.number)
        if chunk.job.terms.target is not None:
            files.result(outcome.item).unlink(missing_ok=True)


async def renew_lease(services: Services, chunk: Chunk) -> None:
    """Extend the lease of files. If another worker has claimed some of them, nothing more is begun for any of them."""
    async with services.database.transaction(EVERYTHING) as tx:
        until = tx.now + LEASE
        renewed = await tx.seal_jobs.renew(chunk.job.id, chunk.held, until)
    chunk.held = until
    chunk.is_lost = renewed < len(chunk.items)


@contextlib.asynccontextmanager
async def _lease_renewed(services: Services, chunk: Chunk) -> AsyncIterator[None]:
    async def renew() -> None:
        while not chunk.is_lost:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            with contextlib.suppress(Unavailable):  # the lease lasts long enough for two more tries
                await renew_lease(services, chunk)

    renewing = asyncio.ensure_future(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError, Unavailable):
            await renewing
