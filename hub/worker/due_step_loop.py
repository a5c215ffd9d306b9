"""Run the due steps of signing tasks: invitations, reminders, expiries.

The next step of a task is stored in the task's row. The loop sleeps until the earliest step is due; NOTIFY wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars

from channels import CALL_TIMEOUT
from hub.errors import Unavailable
from hub.lifecycle.reminders.run_due import run_due, run_step, time_until_due
from hub.model.staff.scope import EVERYTHING
from hub.store.contract.tasks import PLAN_CHANGED, ClaimedTask
from hub.wiring import Hub
from hub.worker.loops import check_listener, listening, sleep_or_stop, wait_for_either

# The most messages at once. The next steps are claimed as soon as there is room for a full transaction of them, however
# slow the other messages are. A provider that takes 25 a second has slots for all of them within PATIENCE.
WINDOW = 120
# The most steps in one transaction.
BATCH = 60
# Seconds between two claims while steps become due one after the other, so that they share a transaction.
GATHER = 0.04
# Lease of a step: longer than the step with its provider call can take, so that no call outlives the claim.
LEASE = timedelta(seconds=3 * CALL_TIMEOUT)
log = structlog.get_logger()


@dataclass(frozen=True)
class _Taken:
    """Claimed steps: their number, and the coroutines that still have to run. `wakes_at`: when the next step is due, in
    the event loop's time; None if there was no room for all due steps."""

    number: int = 0
    works: Sequence[Coroutine[None, None, None]] = ()
    wakes_at: float | None = None


class DueStepLoop:
    """The loop that runs due steps. `ready`: set once the loop listens for NOTIFY.

    `beat`: called after each turn, and before each sleep, with the time that the loop will sleep, in seconds.
    `window`: the most steps at once. `batch`: the most steps in one transaction.
    """

    def __init__(self, hub: Hub, beat: Callable[[float], None], *, window: int = WINDOW, batch: int = BATCH) -> None:
        self._beat, self._window, self._batch = beat, window, batch
        self._hub = hub
        self._services = hub.services
        self._plan_changed = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()
        self._has_room = asyncio.Event()
        self.ready = asyncio.Event()

    async def finish(self) -> None:
        """Wait until all steps and calls in progress are done."""
        await asyncio.gather(*self._in_hand)

    async def remind(self, stop: asyncio.Event) -> None:
        async with listening(self._hub.database, PLAN_CHANGED, self._plan_changed) as listener:
            self.ready.set()
            while not stop.is_set():
                self._plan_changed.clear()
                await self._take(stop)
                self._beat(0.0)
                check_listener(listener)

    async def _take(self, stop: asyncio.Event) -> None:
        """Run due steps, at most a batch, then wait for room, for a NOTIFY, or until a step is due."""
        taken = await self._run_together(self._batch)
        if not taken.number:
            taken = await self._run_alone(self._batch)
        for work in taken.works:
            task = asyncio.create_task(work)
            self._in_hand.add(task)
            task.add_done_callback(self._drop)
        if len(self._in_hand) > self._window - self._batch:
            self._has_room.clear()
            await self._has_room.wait()
        elif taken.wakes_at is not None:
            if taken.number:
                await sleep_or_stop(stop, GATHER)
            await self._sleep_until(taken.wakes_at, stop)

    def _drop(self, done: asyncio.Task[None]) -> None:
        self._in_hand.discard(done)
        if len(self._in_hand) <= self._window - self._batch:
            self._has_room.set()

    async def sweep(self) -> int:
        """Run the steps that are due now, and wait until they are done. Return their number."""
        taken = await self._run_together(self._batch)
        others = await self._run_alone(self._batch - taken.number) if taken.number < self._batch else _Taken()
        await asyncio.gather(*taken.works, *others.works)
        return taken.number + others.number

    async def _run_together(self, most: int) -> _Taken:
        """Run as many due steps as possible in one transaction."""
        try:
            ran = await run_due(self._services, most, LEASE)
        except Exception as error:  # run alone, each step shows its own error
            log.info("steps run one by one", error=repr(error)[:300])
            return _Taken()
        works = [self._services.messaging.router.open_calls.make(each) for each in ran.calls]
        works += [self._run(each) for each in ran.left]
        return _Taken(ran.number, works, _in(ran.rest))

    async def _run_alone(self, most: int) -> _Taken:
        """Claim due steps that need a lock held by another transaction, so that each waits alone."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(tx.planning_now, LEASE, most)
            rest = await time_until_due(tx) if len(claimed) < most else None
        return _Taken(len(claimed), [self._run(each) for each in claimed], _in(rest))

    async def _run(self, claimed: ClaimedTask) -> None:
        """Run one step. After an error its lease expires, and the step is tried again."""
        bind_contextvars(contract=str(claimed.task.contract))
        try:
            if delivery := await run_step(self._services, claimed):
                await self._services.messaging.router.send_delivery(delivery, fresh=True)
        except Unavailable as error:
            log.warning("step put off", task=str(claimed.task.id), reason=str(error))
        except Exception:
            log.exception("step failed", task=str(claimed.task.id))

    async def _sleep_until(self, wakes_at: float, stop: asyncio.Event) -> None:
        seconds = max(wakes_at - asyncio.get_running_loop().time(), 0.01)
        self._beat(seconds)
        await wait_for_either(self._plan_changed, stop, seconds)


def _in(rest: timedelta | None) -> float | None:
    """Return the event loop's time after this duration; None for None."""
    return None if rest is None else asyncio.get_running_loop().time() + rest.total_seconds()
