"""Call providers in separate tasks, so that the code that began the calls can continue meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog
from structlog.contextvars import bind_contextvars

from hub.errors import Unavailable
from hub.model.messaging.delivery import DeliveryState
from hub.router.providers import BegunCall
from hub.store.operation.jobs import RUNNING_JOB

log = structlog.get_logger()


class OpenCalls:
    """The calls that are being made. `make_call`: makes a call and records its outcome, as `Router.make_call` does."""

    def __init__(self, make_call: Callable[[BegunCall], Awaitable[DeliveryState]]) -> None:
        self._make_call = make_call
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, calls: Iterable[BegunCall]) -> None:
        """Start making these calls. The transaction that began them must be committed."""
        for call in calls:
            task = asyncio.create_task(self.make(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def make(self, call: BegunCall) -> None:
        """Make one call, in its own task. If it fails, the periodic task `reconcile` tries it again."""
        RUNNING_JOB.set(None)  # the call does not end the job that began it
        bind_contextvars(contract=str(call.delivery.contract))
        try:
            await self._make_call(call)
        except Unavailable as error:
            log.warning("delivery postponed", delivery=str(call.delivery.id), reason=str(error))
        except Exception:
            log.exception("call failed", delivery=str(call.delivery.id))

    async def finish(self) -> None:
        """Wait until all calls have been made."""
        await asyncio.gather(*self._tasks)
