"""Run queued jobs, which should be done soon after a commit.

Workers take jobs from one table (`store/operation/jobs.py`). A job ends in the transaction that does the last of its
work or, if there is none, by a report. One statement reports ended jobs, renews the leases of running ones, and takes
further ones. The statement is run after each NOTIFY, every few seconds, and when a job ends, if its end has to be
reported or other jobs were waiting for its place. A job that fails is kept, and `PeriodicTasks.upkeep` queues it again.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from structlog.contextvars import bound_contextvars

from hub.errors import Unavailable
from hub.lifecycle.reminders.bulk_remind import remind_many
from hub.lifecycle.reminders.reschedule import replan_next
from hub.lifecycle.services import Services
from hub.lifecycle.signing.revoke_certificates import revoke_certificates
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.model.staff.scope import EVERYTHING
from hub.store.operation.failed_jobs import describe_reason, note_reasons
from hub.store.operation.jobs import (
    ALERT,
    BULK_ACT,
    COMPLETE,
    DELIVER,
    DELIVER_CODE,
    EVIDENCE,
    ISSUE_MANY,
    JOB_CHANNEL,
    MAX_STARTS,
    REMIND_MANY,
    REPLAN,
    REVOKE,
    RUNNING_JOB,
    SEAL_FILES,
    Job,
    StartedTooOften,
    take_jobs,
)
from hub.wiring import Hub
from hub.worker.loops import Listener, check_listener, listening, wait_for_either

log = structlog.get_logger()


Handler = Callable[[Job], Awaitable[None]]
# How many jobs of each of these kinds one worker runs at a time. Of any other kind, it runs one.
_MAX_RUNNING: Final = {COMPLETE: 4, DELIVER: 8, DELIVER_CODE: 16, ALERT: 2, REVOKE: 2, EVIDENCE: 2}


class JobQueue:
    """The runner of jobs of all kinds.

    `lease`: another worker takes a job whose worker has not reported for this time. `rest`: how long the queue sleeps
    before it looks for such jobs. `beat`: called each time it has looked, with `rest` in seconds.
    """

    def __init__(self, hub: Hub, lease: timedelta, rest: timedelta, beat: Callable[[float], None]) -> None:
        self._beat = beat
        self._hub = hub
        self._services = hub.services
        self._lease = lease
        self._rest = rest.total_seconds()
        self._woken = asyncio.Event()
        self._running: dict[Job, asyncio.Task[None]] = {}
        # Jobs that ended and are not reported yet, and whether they succeeded.
        self._ended: dict[int, bool] = {}
        # Why jobs failed, until it is written down.
        self._reasons: dict[int, str] = {}
        # Kinds whose places were all taken, so that further jobs may be waiting.
        self._full: set[str] = set()
        self._handlers: dict[str, Handler] = {
            COMPLETE: self._finalise,
            DELIVER: self._deliver,
            DELIVER_CODE: self._deliver,
            ALERT: self._one(alert_staff, "alert"),
            REVOKE: self._one(revoke_certificates, "key"),
            EVIDENCE: self._make_package,
            SEAL_FILES: self._many(SEAL_FILES, "job", self._seal_files),
            REMIND_MANY: self._many(REMIND_MANY, "act", partial(remind_many, self._services)),
            ISSUE_MANY: self._many(ISSUE_MANY, "act", self._issue_many),
            BULK_ACT: self._many(BULK_ACT, "act", self._bulk_act),
            REPLAN: self._replan,
        }

    async def run_jobs(self, stop: asyncio.Event) -> None:
        """Run jobs until `stop` is set, then finish those that run. Jobs survive an error of the connection."""
        async with listening(self._hub.database, JOB_CHANNEL, self._woken) as connection:
            while not stop.is_set():
                self._woken.clear()
                check_listener(connection)
                await self._take(connection, self._count_free())
                self._beat(self._rest)
                pause = min(self._rest, self._lease.total_seconds() / 3) if self._running else self._rest
                await wait_for_either(self._woken, stop, pause)
            while self._running:
                await asyncio.wait(self._running.values(), timeout=self._lease.total_seconds() / 3)
                await self._take(connection, {})
            await self._take(connection, {})

    def _count_free(self) -> dict[str, int]:
        running = Counter(job.kind for job in self._running)
        return {kind: _MAX_RUNNING.get(kind, 1) - running[kind] for kind in self._handlers}

    async def _take(self, connection: Listener, free: Mapping[str, int]) -> None:
        """Report the jobs that ended, and start those that were taken."""
        ended, reasons = dict(self._ended), dict(self._reasons)
        if reasons:
            await note_reasons(connection, reasons)
        taken = await take_jobs(connection, [job.id for job in self._running], ended, free, self._lease)
        for job in taken:
            self._running[job] = asyncio.create_task(self._run(job))
        numbers = Counter(job.kind for job in taken)
        self._full = {kind for kind, places in free.items() if numbers[kind] == places}
        now_free = self._count_free()
        if any(now_free[kind] for kind in self._full):  # a job ended while the statement ran
            self._woken.set()
        for job_id in ended:
            del self._ended[job_id]
        for job_id in reasons:
            del self._reasons[job_id]

    async def _run(self, job: Job) -> None:
        is_done = False
        RUNNING_JOB.set(job)
        try:
            if job.start > MAX_STARTS:
                raise StartedTooOften(f"started {MAX_STARTS} times and never finished")
            await self._handlers[job.kind](job)
            is_done = True
        except Exception as error:
            self._reasons[job.id] = describe_reason(error)
            log.exception("job failed, and is kept", kind=job.kind, job=job.id, payload=job.payload)
        finally:
            del self._running[job]
            if not (is_done and job.has_ended):
                self._ended[job.id] = is_done
                self._woken.set()
            elif job.kind in self._full:
                self._woken.set()

    async def _finalise(self, job: Job) -> None:
        from hub.lifecycle.sealing.finalise import advance  # loads the PDF libraries, which some workers never need

        with bound_contextvars(contract=job.payload["contract"]):
            await advance(self._services, UUID(job.payload["contract"]))

    async def _make_package(self, job: Job) -> None:
        from hub.lifecycle.evidence.make_package import make_package  # loads the PDF libraries, as above

        await make_package(self._services, UUID(job.payload["contract"]))

    def _one(self, work: Callable[[Services, UUID], Awaitable[object]], what: str) -> Handler:
        """Return the handler of jobs about one row. The verb itself plans what remains to be done."""

        async def one(job: Job) -> None:
            await work(self._services, UUID(job.payload[what]))

        return one

    async def _deliver(self, job: Job) -> None:
        """Send a message that follows an act. The first start sends at once; a later start first asks the provider."""
        try:
            await self._services.messaging.router.send_delivery(UUID(job.payload["delivery"]), fresh=job.start == 1)
        except Unavailable as error:
            log.warning("delivery postponed", reason=str(error))  # the periodic task `reconcile` sends it later

    def _many(self, name: str, what: str, work: Callable[[UUID], Awaitable[bool]]) -> Handler:
        """Return the handler of jobs about many rows; `what` names the row of the act. As long as `work` reports that
        some are left, another job continues, so that other jobs have their turn in between."""

        async def many(job: Job) -> None:
            row = UUID(job.payload[what])
            if await work(row):
                async with self._hub.database.transaction(EVERYTHING) as tx:
                    await tx.jobs.enqueue(name, {what: str(row)}, f"{name}-{row}-after-{job.id}")

        return many

    async def _issue_many(self, act: UUID) -> bool:
        from hub.lifecycle.school.issue_enrolments import issue_enrolments  # loads the layout of documents

        return await issue_enrolments(self._services, act)

    async def _bulk_act(self, act: UUID) -> bool:
        from hub.lifecycle.board.bulk_acts import run_bulk_act  # loads the layout of documents

        return await run_bulk_act(self._services, act)

    async def _seal_files(self, job: UUID) -> bool:
        from hub.lifecycle.sealing.jobs.run_seal_job import MAX_RUN, run_seal_job  # loads the PDF libraries

        ends = time.monotonic() + MAX_RUN.total_seconds()
        return await run_seal_job(self._services, job, lambda: time.monotonic() < ends)

    async def _replan(self, job: Job) -> None:
        """Reschedule some of the contracts of a campus, and enqueue a job for the next ones."""
        await replan_next(self._services, **job.payload)
