"""The worker: runs due steps, webhooks, queued jobs and periodic tasks. Any number of workers may run, on any hosts.

A loop that fails is started again, also after an outage of PostgreSQL. If a worker dies, its leases expire and other
workers pick up its jobs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from hub.wiring import Hub
from hub.worker.callback_loop import CallbackLoop
from hub.worker.due_step_loop import DueStepLoop
from hub.worker.job_queue import JobQueue
from hub.worker.loops import keep_running
from hub.worker.periodic_tasks import PeriodicTasks


@dataclass(frozen=True)
class Pace:
    """How often a worker looks for work. `upkeep_every`: seconds between two rounds of the periodic tasks.

    `heartbeat`: a job without a heartbeat for so long is picked up again; longer than the event loop may ever block.
    `queue_rests`: how long the queue waits for a new job before it looks for one whose worker died.
    """

    upkeep_every: float = 5.0
    heartbeat: timedelta = timedelta(seconds=5)
    queue_rests: timedelta = timedelta(seconds=5)


class Worker:
    """All loops of a worker. `ready` is set once it listens for changes of the plan."""

    def __init__(self, hub: Hub, pace: Pace | None = None) -> None:
        pace = pace or Pace()
        self.due_steps = DueStepLoop(hub)
        self.callbacks = CallbackLoop(hub, pace.upkeep_every)
        self.jobs = JobQueue(hub, pace.heartbeat, pace.queue_rests)
        self.periodic = PeriodicTasks(hub, pace.upkeep_every, self.callbacks.process_callbacks)

    @property
    def ready(self) -> asyncio.Event:
        return self.due_steps.ready

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then finish the steps and calls in progress."""
        loops = (self.due_steps.remind, self.callbacks.listen_for_callbacks, self.jobs.run_jobs, *self.periodic.loops)
        await asyncio.gather(*(keep_running(each, stop) for each in loops))
        await self.due_steps.finish()
