"""Run queued jobs, which should be done soon after a commit. PgQueuer distributes them among the workers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import AsyncpgPoolDriver, QueueManager
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.models import Job
from structlog.contextvars import bound_contextvars

from hub.errors import Unavailable
from hub.lifecycle.reminders.bulk_remind import remind_many
from hub.lifecycle.reminders.reschedule import replan_next
from hub.lifecycle.services import Services
from hub.lifecycle.signing.revoke_certificates import revoke_certificates
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.model.staff.accounts import EVERYTHING
from hub.store.kernel.jobs import (
    ALERT,
    BULK_ACT,
    COMPLETE,
    DELIVER,
    DELIVER_CODE,
    EVIDENCE,
    ISSUE_MANY,
    REMIND_MANY,
    REPLAN,
    REVOKE,
    SEAL_FILES,
)
from hub.wiring import Hub

log = structlog.get_logger()


class _BeatingDriver(AsyncpgPoolDriver):
    """The queue's driver, which reports each time that it has fetched jobs or found none."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], beat: Callable[[], None]) -> None:
        super().__init__(pool)
        self._beat = beat

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        rows = await super().fetch(query, *args)
        self._beat()
        return rows


class _FewerQueries(Queries):
    """The queue's statements, fewer than PgQueuer's own. All our jobs are due at once, and before it sleeps, the queue
    checks whether one is waiting."""

    def __init__(self, driver: AsyncpgPoolDriver) -> None:
        super().__init__(driver)
        self._has_taken_all = False

    async def dequeue(self, batch_size: int, *args: Any, **values: Any) -> list[Job]:
        """Take jobs. The queue asks again after each batch. After a batch that was not full, no job is left."""
        if self._has_taken_all:
            self._has_taken_all = False
            return []
        jobs = await super().dequeue(batch_size, *args, **values)
        self._has_taken_all = 0 < len(jobs) < batch_size
        return jobs

    async def eligible_queued_work(self, entrypoints: list[Any]) -> int:
        """Return 0, because the queue asks `queued_work` next, which knows the number."""
        return 0

    async def next_deferred_eta(self, entrypoints: list[Any]) -> None:
        """Return None: no job is deferred."""


class JobQueue:
    """The runner of jobs of all kinds.

    `heartbeat`: another worker picks up a job that has had no heartbeat for this time. `rest`: how long the queue
    sleeps before it looks for such jobs. `beat`: called each time it has looked, with `rest` in seconds.
    """

    def __init__(self, hub: Hub, heartbeat: timedelta, rest: timedelta, beat: Callable[[float], None]) -> None:
        self._beat = beat
        self._hub = hub
        self._services = hub.services
        self._heartbeat = heartbeat
        self._rest = rest

    async def run_jobs(self, stop: asyncio.Event) -> None:
        async with asyncpg.create_pool(self._hub.database.dsn, min_size=2, max_size=6, reset=_keep_as_it_is) as pool:
            driver = _BeatingDriver(pool, partial(self._beat, self._rest.total_seconds()))
            # The queue alone: `PgQueuer` also looks each second for schedules, of which there are none.
            queue = QueueManager(_FewerQueries(driver))
            queue.entrypoint(COMPLETE, on_failure="hold", concurrency_limit=4)(self._finalise)
            queue.entrypoint(DELIVER, on_failure="hold", concurrency_limit=8)(self._deliver)
            queue.entrypoint(ALERT, on_failure="hold", concurrency_limit=2)(self._one(alert_staff, "alert"))
            queue.entrypoint(REVOKE, on_failure="hold", concurrency_limit=2)(self._one(revoke_certificates, "key"))
            queue.entrypoint(EVIDENCE, on_failure="hold", concurrency_limit=2)(self._make_package)
            for name, what, work in (
                (SEAL_FILES, "job", self._seal_files),
                (REMIND_MANY, "act", self._remind_many),
                (ISSUE_MANY, "act", self._issue_many),
                (BULK_ACT, "act", self._bulk_act),
            ):
                queue.entrypoint(name, on_failure="hold", concurrency_limit=1)(self._many(name, what, work))
            queue.entrypoint(REPLAN, on_failure="hold", concurrency_limit=1)(self._replan)
            queue.entrypoint(DELIVER_CODE, on_failure="hold", concurrency_limit=16)(self._deliver)
            ending = asyncio.ensure_future(_then(stop, queue.shutdown.set))
            try:
                await queue.run(heartbeat_timeout=self._heartbeat, dequeue_timeout=self._rest, batch_size=8)
            finally:
                ending.cancel()

    async def _finalise(self, job: Job) -> None:
        from hub.lifecycle.sealing.finalise import advance  # loads the PDF libraries, which some workers never need

        contract = UUID(_payload(job)["contract"])
        with bound_contextvars(contract=str(contract)):
            await advance(self._services, contract, int(job.id))

    async def _make_package(self, job: Job) -> None:
        from hub.lifecycle.evidence.make_package import make_package  # loads the PDF libraries, as above

        await make_package(self._services, UUID(_payload(job)["contract"]), int(job.id))

    def _one(self, work: Callable[[Services, UUID], Awaitable[object]], what: str) -> Callable[[Job], Awaitable[None]]:
        """Return the handler of jobs about one row. The verb itself plans what is left to be done."""

        async def one(job: Job) -> None:
            await self._started(job)
            await work(self._services, UUID(_payload(job)[what]))

        return one

    async def _deliver(self, job: Job) -> None:
        """Send a message that follows an act. The first start sends at once; a later start first asks the provider."""
        try:
            await self._services.messaging.router.send_delivery(
                UUID(_payload(job)["delivery"]), fresh=True, job=int(job.id)
            )
        except Unavailable as error:
            log.warning("delivery postponed", reason=str(error))  # the periodic task `reconcile` sends it later

    def _many(self, name: str, what: str, work: Callable[[UUID], Awaitable[bool]]) -> Callable[[Job], Awaitable[None]]:
        """Return the handler of jobs about many rows; `what` names the row of the act. While `work` returns that some
        are left, another job continues, so that other jobs have their turn in between."""

        async def many(job: Job) -> None:
            await self._started(job)
            row = UUID(_payload(job)[what])
            if await work(row):
                async with self._hub.database.transaction(EVERYTHING) as tx:
                    await tx.jobs.enqueue(name, {what: str(row)}, f"{name}-{row}-after-{job.id}")

        return many

    async def _remind_many(self, act: UUID) -> bool:
        return await remind_many(self._services, act)

    async def _issue_many(self, act: UUID) -> bool:
        from hub.lifecycle.school.issue_enrolments import issue_enrolments  # loads the layout of documents

        return await issue_enrolments(self._services, act)

    async def _bulk_act(self, act: UUID) -> bool:
        from hub.lifecycle.staff.bulk_acts import run_bulk_act  # loads the layout of documents

        return await run_bulk_act(self._services, act)

    async def _seal_files(self, job: UUID) -> bool:
        from hub.lifecycle.sealing.run_seal_job import MAX_RUN, run_seal_job  # loads the PDF libraries

        ends = time.monotonic() + MAX_RUN.total_seconds()
        return await run_seal_job(self._services, job, lambda: time.monotonic() < ends)

    async def _replan(self, job: Job) -> None:
        """Reschedule one part. An outage parks the job without counting its start; `PeriodicTasks.upkeep` starts it
        again."""
        await self._started(job)
        try:
            await replan_next(self._services, **_payload(job))
        except Unavailable:
            async with self._hub.database.transaction(EVERYTHING) as tx:
                await tx.jobs.forget_starts(int(job.id))
            raise

    async def _started(self, job: Job) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            await tx.jobs.count_start(int(job.id))


async def _keep_as_it_is(_: object) -> None:
    """Reset nothing when the queue gives a connection back, because it changes no setting and leaves no transaction
    open. asyncpg's own reset would be a round trip after each statement."""


def _payload(job: Job) -> dict[str, str]:
    return dict(json.loads(job.payload or b"{}"))


async def _then(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()
