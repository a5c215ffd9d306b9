"""Run the due steps of signing tasks: invitations, reminders, expiries.

The next step of a task is stored in the task's row. The loop sleeps until the earliest step is due; NOTIFY wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars

from channels import CALL_TIMEOUT
from hub.errors import Unavailable
from hub.lifecycle.reminders.run_due import run_due, run_step
from hub.model.staff.accounts import EVERYTHING
from hub.router.providers import Begun
from hub.store.contract.tasks import MAX_SLEEP, PLAN_CHANGED, ClaimedTask
from hub.wiring import Hub
from hub.worker.loops import check_listener, listening, sleep_or_stop, wait_for_either

# The most messages at once. The next step is claimed as soon as one is done, however slow the others are.
WINDOW = 60
# The most steps in one transaction.
BATCH = 30
# Seconds between two claims while steps fall due one after the other, so that they share a transaction.
GATHER = 0.04
# Lease of a step: longer than the step with its provider call can take, so that no call outlives the claim.
LEASE = timedelta(seconds=3 * CALL_TIMEOUT)
log = structlog.get_logger()


class DueStepLoop:
    """The loop that runs due steps, as many at once as WINDOW allows. `ready`: set once the loop listens for NOTIFY.

    `beat` is told after each turn, and before each sleep, how many seconds it sleeps.
    """

    def __init__(self, hub: Hub, beat: Callable[[float], None]) -> None:
        self._beat = beat
        self._hub = hub
        self._services = hub.services
        self._plan_changed = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()
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
        """Run as many due steps as there is room for, then wait for room, for a NOTIFY, or until a step is due."""
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
                await sleep_or_stop(stop, GATHER)
            await self._sleep_until_due(stop)

    async def sweep(self) -> int:
        """Run the steps that are due now, and wait until they are done. Return their number."""
        number, works = await self._run_together(BATCH)
        others, works_of_others = await self._run_alone(BATCH - number) if number < BATCH else (0, [])
        await asyncio.gather(*works, *works_of_others)
        return number + others

    async def _run_together(self, most: int) -> tuple[int, list[Coroutine[None, None, None]]]:
        """Run due steps in one transaction as far as possible. Return their number, and the coroutines that are left to
        run."""
        try:
            ran = await run_due(self._services, most, LEASE)
        except Exception as error:  # run alone, each step shows its own error
            log.info("steps run one by one", error=repr(error)[:300])
            return 0, []
        return ran.number, [self._finish(each) for each in ran.calls] + [self._run(each) for each in ran.left]

    async def _run_alone(self, most: int) -> tuple[int, list[Coroutine[None, None, None]]]:
        """Claim due steps that need a lock held by another transaction, so that each waits alone. Return as
        `_run_together` does."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            claimed = await tx.tasks.claim_due(tx.planning_now, LEASE, most)
        return len(claimed), [self._run(each) for each in claimed]

    async def _finish(self, begun: Begun) -> None:
        """Make a committed call. If it fails, the periodic task `reconcile` tries it again."""
        bind_contextvars(contract=str(begun.delivery.contract))  # each call is a task of its own
        try:
            await self._services.messaging.router.make_call(begun)
        except Unavailable as error:
            log.warning("delivery put off", delivery=str(begun.delivery.id), reason=str(error))
        except Exception:
            log.exception("call failed", delivery=str(begun.delivery.id))

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

    async def _sleep_until_due(self, stop: asyncio.Event) -> None:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            earliest, now = await tx.tasks.earliest_due(), tx.planning_now
        pause = min(earliest - now, MAX_SLEEP) if earliest else MAX_SLEEP
        seconds = max(pause.total_seconds(), 0.01)
        self._beat(seconds)
        await wait_for_either(self._plan_changed, stop, seconds)
