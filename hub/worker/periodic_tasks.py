"""The periodic tasks. Each round is done once in its interval, however many workers there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from channels import CALL_TIMEOUT
from hub.lifecycle.evidence.plan_package import plan_due_packages
from hub.lifecycle.evidence.retention import purge
from hub.lifecycle.inbound.inbound_sms import process_stops
from hub.lifecycle.messaging.fallback import fall_back
from hub.lifecycle.messaging.service_alerts import LowDiskAlerts
from hub.lifecycle.reminders.escalate import escalate_tasks
from hub.lifecycle.reports.weekly_report import send_weekly_reports
from hub.lifecycle.sealing.jobs.end_seal_jobs import call_due_webhooks, delete_old_seal_files, stop_overdue_jobs
from hub.lifecycle.sealing.jobs.seal_jobs import start_lanes
from hub.lifecycle.sealing.retry_stalled import enqueue_overdue_step
from hub.lifecycle.staff.signer_questions import finish_moot_tasks
from hub.model.staff.operator_figures import MIN_COUNT_INTERVAL, is_count_due
from hub.model.staff.scope import EVERYTHING
from hub.router.reconcile import MAX_BATCHES
from hub.store.operation.jobs import ALERT, BULK_ACT, ISSUE_MANY, REMIND_MANY, REVOKE
from hub.store.operation.operator_figures import COUNTED
from hub.store.transaction import Transaction
from hub.wiring import Hub
from hub.worker.loops import Loop, log_errors, sleep_or_stop

# The provider is asked about a message whose outcome has been unknown for this time.
SETTLE_AFTER = timedelta(seconds=2 * CALL_TIMEOUT)
PURGED_EVERY = timedelta(hours=1)
# The interval of `build_hash_tree`. The tree of a day (UTC) is built in the first round that finds something new.
TREE_LOOKED_AT_EVERY = timedelta(hours=1)
# After a start, messages that fell due meanwhile come first. The last counts are stored.
FIRST_COUNT_AFTER = timedelta(minutes=1)
DISKS_LOOKED_AT_EVERY = timedelta(minutes=5)
REPORTS_LOOKED_AT_EVERY = timedelta(minutes=5)
# After this time, an unfinished act on many contracts gets another job, unless a job is waiting or running.
MANY_AGAIN = timedelta(minutes=1)


class PeriodicTasks:
    """The periodic tasks of a worker. `pause`: seconds between two rounds; `process_callbacks`: processes due callbacks
    once; `expect`: called after each round with the time until the next round begins, in seconds; `first_count_after`:
    how long a new worker waits until it counts rows."""

    def __init__(
        self,
        hub: Hub,
        pause: float,
        process_callbacks: Callable[[], Awaitable[int]],
        expect: Callable[[str, float], None],
        first_count_after: timedelta = FIRST_COUNT_AFTER,
    ) -> None:
        self._expect, self._first_count_after = expect, first_count_after
        self._hub = hub
        self._services = hub.services
        self._pause = pause
        self._process_callbacks = process_callbacks
        self._worker_id = uuid4()

    @property
    def _round(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        return self.reconcile, self.reroute, self.process_remaining_callbacks, self.upkeep, self.call_webhooks

    @property
    def loops(self) -> list[Loop]:
        """One loop for each task, because a provider's rate limit may keep one task busy for long after an outage."""
        return [
            self.heartbeat,
            self.watch_disks,
            *(self._repeated(each) for each in self._round),
            self._repeated(self.count_rows, MIN_COUNT_INTERVAL, self._first_count_after),
            self._repeated(self.purge, PURGED_EVERY),
            self._repeated(self.build_hash_tree, TREE_LOOKED_AT_EVERY),
            self._repeated(self.mail_reports, REPORTS_LOOKED_AT_EVERY),
        ]

    async def heartbeat(self, stop: asyncio.Event) -> None:
        """Write this worker's heartbeat regularly."""
        while not stop.is_set():
            await self._say_it_lives()
            self._expect(self.heartbeat.__name__, self._pause)
            await sleep_or_stop(stop, self._pause)

    async def watch_disks(self, stop: asyncio.Event) -> None:
        """Alert staff before a disk of this machine is full. Each worker looks at its own."""
        alerts = LowDiskAlerts(self._hub.database, (self._hub.settings.data, self._services.files.folder))
        while not stop.is_set():
            await log_errors(alerts.look())
            self._expect(self.watch_disks.__name__, DISKS_LOOKED_AT_EVERY.total_seconds())
            await sleep_or_stop(stop, DISKS_LOOKED_AT_EVERY.total_seconds())

    async def _say_it_lives(self) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            await tx.heartbeats.worker_lives(self._worker_id, tx.now)

    def _repeated(
        self, work: Callable[[], Awaitable[None]], every: timedelta | None = None, first_after: timedelta = timedelta(0)
    ) -> Loop:
        """Return a loop that runs a task, each round in one worker only. `every`: the interval, by default `pause`."""
        pause = every or timedelta(seconds=self._pause)

        async def repeated(stop: asyncio.Event) -> None:
            await sleep_or_stop(stop, first_after.total_seconds())
            while not stop.is_set():
                async with self._hub.database.transaction(EVERYTHING) as tx:
                    mine = await tx.task_times.take(work.__name__, pause)
                if mine:
                    await work()
                self._expect(work.__name__, pause.total_seconds())
                await sleep_or_stop(stop, pause.total_seconds())

        repeated.__name__ = work.__name__
        return repeated

    async def run_round(self) -> None:
        """Run all periodic tasks once, apart from those with an interval of their own."""
        await self._say_it_lives()
        for work in self._round:
            await work()

    async def purge(self) -> None:
        await log_errors(purge(self._services))
        await log_errors(delete_old_seal_files(self._services))

    async def count_rows(self) -> None:
        """Count the rows of large tables by state, for the metrics. The longer it takes, the less often it is done."""
        for figure in COUNTED:
            await log_errors(self._count_rows(figure))

    async def _count_rows(self, figure: str) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            if is_count_due((await tx.figures.get_row_counts()).get(figure), tx.now):
                await tx.figures.count_rows(figure, tx.now)

    async def build_hash_tree(self) -> None:
        """Build the tree of the day unless it exists, add missing proofs, give roots to notaries, and renew in time."""
        # A worker that only reminds does not need these modules.
        from hub.lifecycle.evidence.build_tree import add_proofs, build_tree
        from hub.lifecycle.evidence.notarise import notarise
        from hub.lifecycle.evidence.renew import renew

        await log_errors(build_tree(self._services))
        await log_errors(add_proofs(self._services))
        await log_errors(notarise(self._services))
        await log_errors(renew(self._services))

    async def mail_reports(self) -> None:
        """Send the weekly reports that are due."""
        await log_errors(send_weekly_reports(self._services))

    async def reconcile(self) -> None:
        """Reconcile messages whose outcome is unknown, and give unfinished acts on many contracts another job."""
        await log_errors(stop_overdue_jobs(self._services))  # before their files are claimed again
        async with self._hub.database.transaction(EVERYTHING) as tx:
            for act in await tx.bulk_reminders.list_unfinished(tx.now - MANY_AGAIN):
                await tx.jobs.enqueue(REMIND_MANY, {"act": str(act)}, f"{REMIND_MANY}-{act}")
            for act in await tx.issue_acts.list_stalled(tx.now - MANY_AGAIN):
                await tx.jobs.enqueue(ISSUE_MANY, {"act": str(act)}, f"{ISSUE_MANY}-{act}")
            for act in await tx.bulk_acts.list_stalled(tx.now - MANY_AGAIN):
                await tx.jobs.enqueue(BULK_ACT, {"act": str(act)}, f"{BULK_ACT}-{act}")
            for job in await tx.seal_jobs.list_stalled(tx.now - MANY_AGAIN, tx.now):
                await start_lanes(tx, job)
            now = tx.planning_now
        await self._services.messaging.router.reconcile(now - SETTLE_AFTER)

    async def reroute(self) -> None:
        """Send messages that did not reach their signer through the next channel."""

        async def due(tx: Transaction) -> Sequence[UUID]:
            return await tx.deliveries.list_check_due(tx.planning_now)

        async def reroute(delivery: UUID) -> None:
            if following := await log_errors(fall_back(self._services, delivery)):
                await log_errors(self._services.messaging.router.send_delivery(following, fresh=True))

        await self._in_batches(due, reroute)

    async def process_remaining_callbacks(self) -> None:
        """Process callbacks that could not be finished at once, and the STOPs that had to wait."""
        for _ in range(MAX_BATCHES):
            if not await self._process_callbacks():
                break
        await log_errors(process_stops(self._services))

    async def _in_batches(
        self, find: Callable[[Transaction], Awaitable[Sequence[UUID]]], work: Callable[[UUID], Awaitable[None]]
    ) -> None:
        """Work on the ids that `find` returns until it returns nothing new. An id that `find` returns again has failed,
        and waits for the next round."""
        seen: set[UUID] = set()
        for _ in range(MAX_BATCHES):
            async with self._hub.database.transaction(EVERYTHING) as tx:
                new = [each for each in await find(tx) if each not in seen]
            if not new:
                return
            seen.update(new)
            await asyncio.gather(*(work(each) for each in new))

    async def upkeep(self) -> None:
        """Give everything that is due another try, and see to the staff tasks."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            for contract in sorted(await tx.contracts.claim_hub_steps(tx.now)):
                await enqueue_overdue_step(tx, contract)
            for alert in await tx.alerts.list_due(tx.now) if self._services.messaging.addressees else []:
                await tx.jobs.enqueue(ALERT, {"alert": str(alert)}, f"alert-{alert}")
            for key in await tx.app_keys.list_certificates_due(tx.now):
                await tx.jobs.enqueue(REVOKE, {"key": str(key)}, f"revoke-{key}")
            await plan_due_packages(tx)
        await log_errors(self._take_up_failed_jobs())
        await log_errors(finish_moot_tasks(self._services))
        await log_errors(escalate_tasks(self._services))

    async def _take_up_failed_jobs(self) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            await tx.jobs.take_up_again()

    async def call_webhooks(self) -> None:
        """Call the webhooks that are due. A receiver that does not answer holds up no other task."""
        await log_errors(call_due_webhooks(self._services))
