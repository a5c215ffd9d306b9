"""The worker: runs due steps, callbacks, queued jobs and periodic tasks. Any number of workers may run, on any hosts.

A loop that fails is started again, also after an outage of PostgreSQL. If a worker dies, its leases expire and other
workers pick up its jobs.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from hub.wiring import Hub
from hub.worker.callback_loop import CallbackLoop
from hub.worker.due_step_loop import DueStepLoop
from hub.worker.job_queue import JobQueue
from hub.worker.loop_watch import LoopWatch
from hub.worker.loops import keep_running
from hub.worker.periodic_tasks import PeriodicTasks


@dataclass(frozen=True)
class WorkerTimings:
    """The intervals and time limits of a worker. `upkeep_every`: seconds between two rounds of the periodic tasks.

    `job_lease`: a job whose worker has not reported for this time is taken by another one. The lease is longer than the
    event loop may ever block. `queue_rests`: how long the queue waits for a new job before it looks for jobs whose
    lease has expired.

    `turn_limit`: seconds after which a loop counts as hung. A turn consists of one provider call and one transaction.
    `round_limit`: the same for periodic tasks, which after an outage wait for the rate limits of providers.
    """

    upkeep_every: float = 5.0
    job_lease: timedelta = timedelta(seconds=5)
    queue_rests: timedelta = timedelta(seconds=5)
    turn_limit: float = 120.0
    round_limit: float = 1800.0


class Worker:
    """All loops of a worker. `ready` is set once it listens for changes of the plan."""

    def __init__(self, hub: Hub, timings: WorkerTimings | None = None) -> None:
        timings = timings or WorkerTimings()
        self._hub = hub
        self._timings = timings
        self.watch = LoopWatch()
        self.due_steps = DueStepLoop(hub, partial(self._expect_turn, "remind"))
        self.callbacks = CallbackLoop(hub, timings.upkeep_every, partial(self._expect_turn, "listen_for_callbacks"))
        self.jobs = JobQueue(hub, timings.job_lease, timings.queue_rests, partial(self._expect_turn, "run_jobs"))
        self.periodic = PeriodicTasks(hub, timings.upkeep_every, self.callbacks.process_callbacks, self._expect_round)

    def _expect_turn(self, loop: str, rest: float) -> None:
        self.watch.expect(loop, rest + self._timings.turn_limit)

    def _expect_round(self, task: str, rest: float) -> None:
        self.watch.expect(task, rest + self._timings.round_limit)

    @property
    def ready(self) -> asyncio.Event:
        return self.due_steps.ready

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then finish the steps and calls in progress. Raises OSError if the port for health
        is taken."""
        loops = (self.due_steps.remind, self.callbacks.listen_for_callbacks, self.jobs.run_jobs, *self.periodic.loops)
        for loop in loops:
            self._expect_round(loop.__name__, 0.0)  # the first turn may have much work to catch up on
        async with self._health():
            await asyncio.gather(*(keep_running(each, stop) for each in loops))
            await self.due_steps.finish()
            await self._hub.services.messaging.router.open_calls.finish()

    def _health(self) -> AbstractAsyncContextManager[None]:
        if not self._hub.settings.work_port:
            return nullcontext()
        from hub.worker.health import serving_health  # the HTTP server, which most workers do not need

        return serving_health(self._hub, self.watch)
