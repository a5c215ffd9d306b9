"""The worker: due steps of signing tasks, queued jobs, and what has to be looked after. Any number, on any hosts.

What sleeps is the task's own row; the worker sleeps until the earliest is due, woken by NOTIFY. Each loop is restarted
when it fails, also after PostgreSQL went away. A worker that dies leaves leases to run out and jobs to be picked up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID, uuid4

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.models import Job

from channels import CALL_TIMEOUT
from hub.errors import Unavailable
from hub.lifecycle.evidence.retention import purge
from hub.lifecycle.inbound.inbound_sms import process_stops
from hub.lifecycle.inbound.process_callbacks import process_callback, process_callback_batch
from hub.lifecycle.messaging.fallback import next_way
from hub.lifecycle.reminders.bulk_remind import remind_many
from hub.lifecycle.reminders.escalate import attend
from hub.lifecycle.reminders.reschedule import replan_next
from hub.lifecycle.reminders.run_due import run_due, run_step
from hub.lifecycle.sealing.retry_stalled import ask_again
from hub.lifecycle.services import Services
from hub.lifecycle.signing.revoke_certificates import revoke_certificates
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.model.staff.accounts import EVERYTHING
from hub.router.providers import Begun
from hub.router.reconcile import MAX_BATCHES
from hub.store.contract.tasks import MAX_SLEEP, PLAN_CHANGED, ClaimedTask
from hub.store.inbound.callback_writer import CALLS_CAME
from hub.store.kernel.jobs import ALERT, COMPLETE, DELIVER, DELIVER_CODE, REMIND_MANY, REPLAN, REVOKE
from hub.store.transaction import Transaction
from hub.wiring import Hub

# So many messages are in hand at once. Another step is claimed as soon as one of them is done, whoever is slow.
WINDOW = 60
# So many steps at most go into one transaction.
BATCH = 30
# Seconds between two claims while steps fall due one after the other: those that come meanwhile go together.
GATHER = 0.04
# Longer than a step with its provider call can take: no call outlives the claim.
LEASE = timedelta(seconds=3 * CALL_TIMEOUT)
SETTLE_AFTER = timedelta(seconds=2 * CALL_TIMEOUT)
PURGED_EVERY = timedelta(hours=1)
# Seconds from one round of calls to the next: receipts are many, small and never urgent, and go together.
GATHER_CALLS = 0.1
# An unfinished act of reminding many gets another job after so long, unless one is waiting or running.
MANY_AGAIN = timedelta(minutes=1)
Loop = Callable[[asyncio.Event], Awaitable[None]]
Result = TypeVar("Result")
log = structlog.get_logger()


@dataclass(frozen=True)
class Pace:
    """`upkeep_every`: seconds between two looks at what is left over. `heartbeat`: after so long without one a job is
    picked up again; no shorter than the event loop may ever be busy. `queue_rests`: so long the queue sleeps without a
    new job, before it looks for one whose worker died."""

    upkeep_every: float = 5.0
    heartbeat: timedelta = timedelta(seconds=5)
    queue_rests: timedelta = timedelta(seconds=5)


class Worker:
    def __init__(self, hub: Hub, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._hub = hub
        self._services = hub.services
        self._id = uuid4()
        self._plan_changed = asyncio.Event()
        self._calls_came = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then what is in hand is finished."""
        # Each at its own pace: making up for a provider's long absence takes as long as its rate makes it.
        upkeep = [
            self._repeated(each)
            for each in (self._reconcile, self._reroute, self._process_remaining_callbacks, self._upkeep)
        ]
        upkeep.append(self._repeated(self._purge, PURGED_EVERY))
        loops = (self._remind, self._listen_for_callbacks, self._queue, self._live, *upkeep)
        await asyncio.gather(*(self._kept_running(each, stop) for each in loops))
        await asyncio.gather(*self._in_hand)

    async def _kept_running(self, loop: Loop, stop: asyncio.Event) -> None:
        pause = 0.5
        while not stop.is_set():
            try:
                await loop(stop)
                pause = 0.5
            except Exception as error:
                # Whatever it is, the loop has to go on: the database may be back in a second.
                log.warning("worker loop restarts", loop=loop.__name__, error=repr(error)[:300])
                await _sleep(stop, pause)
                pause = min(pause * 2, 15.0)

    # ---- due steps

    async def _remind(self, stop: asyncio.Event) -> None:
        async with self._listening(PLAN_CHANGED, self._plan_changed) as listener:
            self.ready.set()
            while not stop.is_set():
                self._plan_changed.clear()
                await self._take(stop)
                if listener.is_closed():
                    raise ConnectionError("the listening connection is gone")

    @asynccontextmanager
    async def _listening(self, channel: str, heard: asyncio.Event) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        listener = await asyncpg.connect(self._hub.database.dsn, timeout=10)
        try:
            await listener.add_listener(channel, lambda *_: heard.set())
            listener.add_termination_listener(lambda *_: heard.set())  # or it would sleep on, deaf
            yield listener
        finally:
            with suppress(Exception):
                await listener.close(timeout=1)

    async def _take(self, stop: asyncio.Event) -> None:
        """As much of what is due as there is room for; then wait for room, for more, or until something is due."""
        most = min(BATCH, WINDOW - len(self._in_hand))
        number, works = await self._run_together(most)
        if not number:
            number, works = await self._run_alone(most)
        for work in works:
            task = asyncio.create_task(work)
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)
        if len(self._in_hand) >= WINDOW:
            await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        elif number < most:
            if number:
                await _sleep(stop, GATHER)
            await self._sleep_until_due(stop)

    async def sweep(self) -> int:
        """Run what is due to the end; returns how many steps there were."""
        number, works = await self._run_together(BATCH)
        others, works_of_others = await self._run_alone(BATCH - number) if number < BATCH else (0, [])
        await asyncio.gather(*works, *works_of_others)
        return number + others

    async def _run_together(self, most: int) -> tuple[int, list[Coroutine[None, None, None]]]:
        """Run due steps together as far as possible. Returns how many there were, and the work left for each."""
        try:
            ran = await run_due(self._services, most, LEASE)
        except Exception as error:  # whatever it is: each by itself finds out
            log.info("steps run one by one", error=repr(error)[:300])
            return 0, []
        return ran.number, [self._finish(each) for each in ran.calls] + [self._run(each) for each in ran.left]

    async def _run_alone(self, most: int) -> tuple[int, list[Coroutine[None, None, None]]]:
        """Claim due steps that wait for somebody's lock: each of these waits by itself. Returns as above."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(tx.planning_now, LEASE, most)
        return len(claimed), [self._run(each) for each in claimed]

    async def _finish(self, begun: Begun) -> None:
        """The call that is committed. One that failed is taken up again by itself."""
        try:
            await self._services.messaging.router.make_call(begun)
        except Unavailable as error:
            log.warning("delivery put off", delivery=str(begun.delivery.id), reason=str(error))
        except Exception:
            log.exception("call failed", delivery=str(begun.delivery.id))

    async def _run(self, claimed: ClaimedTask) -> None:
        """One step. An error leaves the lease to run out; then the step is tried again."""
        try:
            if delivery := await run_step(self._services, claimed):
                await self._services.messaging.router.send_delivery(delivery, fresh=True)
        except Unavailable as error:
            log.warning("step put off", task=str(claimed.task.id), reason=str(error))
        except Exception:
            log.exception("step failed", task=str(claimed.task.id))

    async def _sleep_until_due(self, stop: asyncio.Event) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            earliest, now = await tx.tasks.earliest_due(), tx.planning_now
        pause = min(earliest - now, MAX_SLEEP) if earliest else MAX_SLEEP
        await _either(self._plan_changed, stop, max(pause.total_seconds(), 0.01))

    # ---- what providers told us

    async def _listen_for_callbacks(self, stop: asyncio.Event) -> None:
        async with self._listening(CALLS_CAME, self._calls_came) as listener:
            while not stop.is_set():
                self._calls_came.clear()
                if await self.process_callbacks():
                    await _sleep(stop, GATHER_CALLS)
                else:
                    await _either(self._calls_came, stop, self._pace.upkeep_every)
                if listener.is_closed():
                    raise ConnectionError("the listening connection is gone")

    async def process_callbacks(self) -> int:
        """Work on calls that are due, as many as go together; returns how many there were."""
        number, left = await process_callback_batch(self._services)
        await asyncio.gather(*(self._kept(process_callback(self._services, each)) for each in left))
        return number

    # ---- queued jobs

    async def _queue(self, stop: asyncio.Event) -> None:
        async with asyncpg.create_pool(self._hub.database.dsn, min_size=2, max_size=6) as pool:
            queue = PgQueuer.from_asyncpg_pool(pool)
            queue.entrypoint(COMPLETE, on_failure="hold", concurrency_limit=4)(self._finalise)
            queue.entrypoint(DELIVER, on_failure="hold", concurrency_limit=8)(self._deliver)
            queue.entrypoint(ALERT, on_failure="hold", concurrency_limit=2)(self._one(alert_staff, "alert"))
            queue.entrypoint(REVOKE, on_failure="hold", concurrency_limit=2)(self._one(revoke_certificates, "key"))
            queue.entrypoint(REMIND_MANY, on_failure="hold", concurrency_limit=1)(self._remind_many)
            queue.entrypoint(REPLAN, on_failure="hold", concurrency_limit=1)(self._replan)
            queue.entrypoint(DELIVER_CODE, on_failure="hold", concurrency_limit=16)(self._deliver)
            ending = asyncio.ensure_future(_then(stop, queue.shutdown.set))
            beat, rest = self._pace.heartbeat, self._pace.queue_rests
            try:
                await queue.run(heartbeat_timeout=beat, dequeue_timeout=rest, batch_size=8)
            finally:
                ending.cancel()

    async def _finalise(self, job: Job) -> None:
        from hub.lifecycle.sealing.finalise import advance  # loads what makes PDF files, which not every worker does

        await advance(self._services, UUID(_payload(job)["contract"]), int(job.id))

    def _one(self, work: Callable[[Services, UUID], Awaitable[object]], what: str) -> Callable[[Job], Awaitable[None]]:
        """A job about one row, which plans by itself what is left to do."""

        async def one(job: Job) -> None:
            await self._started(job)
            await work(self._services, UUID(_payload(job)[what]))

        return one

    async def _deliver(self, job: Job) -> None:
        """A message that answers somebody's act. The first start is fresh; a later one asks the provider first."""
        try:
            await self._services.messaging.router.send_delivery(
                UUID(_payload(job)["delivery"]), fresh=True, job=int(job.id)
            )
        except Unavailable as error:
            log.warning("delivery put off", reason=str(error))  # `settle` takes it up

    async def _remind_many(self, job: Job) -> None:
        await self._started(job)
        act = UUID(_payload(job)["act"])
        if await remind_many(self._services, act):
            async with self._hub.database.transaction(EVERYTHING) as tx:
                await tx.jobs.enqueue(REMIND_MANY, {"act": str(act)}, f"{REMIND_MANY}-{act}-after-{job.id}")

    async def _replan(self, job: Job) -> None:
        """A passing error parks the job, and `_upkeep` takes it up again: that start does not count against it."""
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

    # ---- what has to be looked after

    async def _live(self, stop: asyncio.Event) -> None:
        """Each worker says by itself that it is there."""
        while not stop.is_set():
            await self._say_it_lives()
            await _sleep(stop, self._pace.upkeep_every)

    async def _say_it_lives(self) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            await tx.operations.worker_lives(self._id, tx.now)

    def _repeated(self, work: Callable[[], Awaitable[None]], every: timedelta | None = None) -> Loop:
        """Each round once, however many workers there are."""
        pause = every or timedelta(seconds=self._pace.upkeep_every)

        async def repeated(stop: asyncio.Event) -> None:
            while not stop.is_set():
                async with self._hub.database.transaction(EVERYTHING) as tx:
                    mine = await tx.duties.take(work.__name__.lstrip("_"), pause)
                if mine:
                    await work()
                await _sleep(stop, pause.total_seconds())

        repeated.__name__ = work.__name__
        return repeated

    async def look_after(self) -> None:
        """Everything that is left over, once."""
        await self._say_it_lives()
        for work in (self._reconcile, self._reroute, self._process_remaining_callbacks, self._upkeep):
            await work()

    async def _purge(self) -> None:
        await self._kept(purge(self._services))

    async def _reconcile(self) -> None:
        """Ask about messages whose fate is open."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            for act in await tx.many.unfinished(tx.now - MANY_AGAIN):
                await tx.jobs.enqueue(REMIND_MANY, {"act": str(act)}, f"{REMIND_MANY}-{act}")
            now = tx.planning_now
        await self._services.messaging.router.reconcile(now - SETTLE_AFTER)

    async def _reroute(self) -> None:
        """Try the next way of messages that did not reach their person."""

        async def due(tx: Transaction) -> Sequence[UUID]:
            return await tx.deliveries.to_look_at(tx.planning_now)

        async def reroute(delivery: UUID) -> None:
            if following := await self._kept(next_way(self._services, delivery)):
                await self._kept(self._services.messaging.router.send_delivery(following, fresh=True))

        await self._in_batches(due, reroute)

    async def _process_remaining_callbacks(self) -> None:
        """What providers told us and could not be settled at once."""
        for _ in range(MAX_BATCHES):
            if not await self.process_callbacks():
                break
        await self._kept(process_stops(self._services))

    async def _in_batches(
        self, find: Callable[[Transaction], Awaitable[Sequence[UUID]]], work: Callable[[UUID], Awaitable[None]]
    ) -> None:
        """As long as there is something new. What stays due has failed, and waits for the next time."""
        seen: set[UUID] = set()
        for _ in range(MAX_BATCHES):
            async with self._hub.database.transaction(EVERYTHING) as tx:
                new = [each for each in await find(tx) if each not in seen]
            if not new:
                return
            seen.update(new)
            await asyncio.gather(*(work(each) for each in new))

    async def _upkeep(self) -> None:
        """Ask again for what the hub itself still has to do."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            for contract in sorted(await tx.contracts.hub_due(tx.now)):
                await ask_again(tx, contract)
            for alert in await tx.alerts.due(tx.now) if self._services.messaging.addressees else []:
                await tx.jobs.enqueue(ALERT, {"alert": str(alert)}, f"alert-{alert}")
            for key in await tx.app_keys.certificates_due(tx.now):
                await tx.jobs.enqueue(REVOKE, {"key": str(key)}, f"revoke-{key}")
            await tx.jobs.take_up_again(REPLAN)
        await self._kept(attend(self._services))

    async def _kept(self, work: Awaitable[Result]) -> Result | None:
        """One piece of work that fails does not stop the others; it is due again by itself."""
        try:
            return await work
        except Unavailable as error:
            log.warning("put off", reason=str(error))
        except Exception:
            log.exception("upkeep failed")
        return None


def _payload(job: Job) -> dict[str, str]:
    return dict(json.loads(job.payload or b"{}"))


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _either(event: asyncio.Event, stop: asyncio.Event, seconds: float) -> None:
    """Until one of them is set, or so long."""
    waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _then(event: asyncio.Event, act: Callable[[], None]) -> None:
    await event.wait()
    act()
