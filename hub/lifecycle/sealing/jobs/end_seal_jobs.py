"""Stop seal jobs that take too long. Call the webhooks of jobs that have ended, and later delete their files."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from typing import Final
from uuid import UUID

import aiohttp
import structlog

from hub.lifecycle.messaging.service_alerts import warn
from hub.lifecycle.sealing.seals.use_seal import end_seal_uses
from hub.lifecycle.services import Services
from hub.model.sealing.seal_job import (
    JOB_DEADLINE,
    JOB_RETENTION,
    PROGRESS_WINDOW,
    RESULT_RETENTION,
    SealItemState,
    SealJob,
)
from hub.model.sealing.seal_use import EndedUse
from hub.model.sealing.webhook import WebhookAddress, job_notice, next_try, notice_headers
from hub.model.staff.scope import EVERYTHING
from hub.store.transaction import Transaction

# Seconds that a webhook has to answer.
NOTICE_TIMEOUT: Final = 10.0
# Failed tries after which staff are alerted: the receiver has then been away for over half an hour.
TRIES_BEFORE_ALERT: Final = 4
DELETED_AT_ONCE: Final = 100
ITEMS_AT_ONCE: Final = 5_000
# An upload that never became a job is deleted after this time.
UPLOAD_RETENTION: Final = timedelta(days=1)
log = structlog.get_logger()


async def call_due_webhooks(services: Services) -> None:
    """Call the webhooks that are due. Each call is counted, and the next one planned, before it is made."""
    async with services.database.transaction(EVERYTHING) as tx:
        due = await tx.seal_jobs.lock_untold(tx.now)
        for job, tries in due:
            await tx.seal_jobs.plan_notice(job.id, tries + 1, next_try(tries + 1, tx.now))
    if not due:
        return
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=NOTICE_TIMEOUT)) as http:
        await asyncio.gather(*(_tell(services, http, job, tries) for job, tries in due))


async def _tell(services: Services, http: aiohttp.ClientSession, job: SealJob, tries: int) -> None:
    """Call the webhook of a job that was called `tries` times before."""
    address = services.seal_files.webhooks.get(job.terms.webhook or "")
    if address is None or await _is_taken(services, http, address, job):
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.seal_jobs.note_told(job.id, tx.now)
    elif tries >= TRIES_BEFORE_ALERT:
        await warn(services.database, "webhook-away", address.name)


async def _is_taken(services: Services, http: aiohttp.ClientSession, address: WebhookAddress, job: SealJob) -> bool:
    body = job_notice(job, services.origin)
    headers = notice_headers(address, f"seal-job-{job.id}", services.clock(), body)
    try:
        async with http.post(address.url, data=body, headers=headers, allow_redirects=False) as answer:
            if 200 <= answer.status < 300:
                return True
            log.warning("webhook refused", webhook=address.name, status=answer.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("webhook does not answer", webhook=address.name, error=type(error).__name__)
    return False


async def stop_overdue_jobs(services: Services) -> None:
    """Stop the jobs that have not ended within JOB_DEADLINE, make no progress, and are leased by no worker. Their open
    uses are given back to their grants."""
    async with services.database.transaction(EVERYTHING) as tx:
        overdue = await _list_overdue(tx)
    for job in overdue:
        async with services.database.transaction(EVERYTHING) as tx:
            await tx.seal_jobs.get(job, lock=True)
            # A worker may just have claimed files. One that claims them later writes nothing once the job has ended.
            if job in await _list_overdue(tx):
                await _stop(tx, job)


async def _list_overdue(tx: Transaction) -> list[UUID]:
    return await tx.seal_jobs.list_overdue(tx.now - JOB_DEADLINE, tx.now - PROGRESS_WINDOW, tx.now)


async def _stop(tx: Transaction, job: UUID) -> None:
    await tx.seal_jobs.stop(job, "not-ended-in-a-day", tx.now)
    after = 0
    while items := await tx.seal_jobs.list_items(job, SealItemState.WAITING, after, ITEMS_AT_ONCE):
        await end_seal_uses(tx, [EndedUse(item.use, failure="job-stopped") for item in items])
        after = items[-1].number
    log.warning("seal job stopped", job=str(job))


async def delete_old_seal_files(services: Services) -> None:
    """Delete the files of jobs that ended long ago, then their rows, and uploads that never became a job."""
    files = services.seal_files.folder
    async with services.database.transaction(EVERYTHING) as tx:
        old = await tx.seal_jobs.list_done_with(tx.now - RESULT_RETENTION, DELETED_AT_ONCE)
        now = tx.now
    for job in old:
        await asyncio.to_thread(files.delete, job)
    async with services.database.transaction(EVERYTHING) as tx:
        for job in old:
            await tx.seal_jobs.note_files_deleted(job, tx.now)
        await tx.seal_jobs.forget(tx.now - JOB_RETENTION, DELETED_AT_ONCE)
    await _delete_left_folders(services, (now - UPLOAD_RETENTION).timestamp())


async def _delete_left_folders(services: Services, before: float) -> None:
    """Delete what killed processes left behind: uploads that never became a job, and folders of jobs whose transaction
    was never committed."""
    files = services.seal_files.folder
    old = await asyncio.to_thread(files.list_old_jobs, before)
    async with services.database.transaction(EVERYTHING) as tx:
        known = await tx.seal_jobs.list_known(old)
    for job in set(old) - known:
        log.info("folder of no seal job deleted", job=str(job))
        await asyncio.to_thread(files.delete, job)
    for upload in await asyncio.to_thread(files.list_old_uploads, before):
        await asyncio.to_thread(shutil.rmtree, upload, ignore_errors=True)
