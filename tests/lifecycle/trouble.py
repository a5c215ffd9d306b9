"""Services that fail and recover."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from hub.errors import TimestampUnavailable
from hub.lifecycle.sealing.finalise import advance
from hub.lifecycle.staff.send_alerts import alert_staff
from hub.model.staff.scope import EVERYTHING
from hub.timestamps import TimestampAuthority
from hub.worker.worker import Worker
from tests.changed_services import change_services
from tests.lifecycle.clockwork import StandingClock
from tests.running import Running


@dataclass
class Timestamps:
    """The hub's own timestamp service, which can fail. `asked`: the moments of all calls. `overtaken_by`: run during
    the next call, which then fails."""

    clock: StandingClock
    away: bool = False
    asked: list[datetime] = field(default_factory=list)
    service: TimestampAuthority | None = None
    overtaken_by: Callable[[], Awaitable[object]] | None = None

    @property
    def certificates(self) -> Sequence[bytes]:
        assert self.service is not None
        return self.service.certificates

    async def timestamp(self, digest: bytes) -> bytes:
        self.asked.append(self.clock())
        if other := self.overtaken_by:
            self.overtaken_by = None
            await other()
            raise TimestampUnavailable("the answer was lost")
        if self.away or self.service is None:
            raise TimestampUnavailable("no answer")
        return await self.service.timestamp(digest)

    def serve(self, running: Running) -> None:
        """Take the place of this hub's service, and pass calls on to it."""
        self.service = running.hub.services.sealing.timestamps
        running.hub = replace(running.hub, services=change_services(running.hub.services, "sealing", timestamps=self))
        running.worker = Worker(running.hub)


@dataclass
class FailsAfter(Timestamps):
    """A timestamp service that answers `number` calls, and then fails with `error` until it is None."""

    number: int = 1
    error: BaseException | None = None

    async def timestamp(self, digest: bytes) -> bytes:
        if self.error is not None and len(self.asked) == self.number:
            raise self.error
        return await super().timestamp(digest)


@dataclass
class Overtaken(Timestamps):
    """A timestamp service that does something else during its call `number` (from 1), and then answers as usual."""

    number: int = 1

    async def timestamp(self, digest: bytes) -> bytes:
        self.asked.append(self.clock())
        if len(self.asked) == self.number and self.overtaken_by:
            await self.overtaken_by()
        assert self.service is not None
        return await self.service.timestamp(digest)


@contextmanager
def token_away() -> Iterator[None]:
    """Move the token's files away, as if the token had been pulled out."""
    tokens = Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens"
    elsewhere = tokens.with_name("pulled-out")
    tokens.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(tokens)


async def work_off(running: Running) -> int:
    """Run the jobs in the queue, in this task. Return how many there were."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        rows = await tx.connection.execute(text("DELETE FROM pgqueuer RETURNING entrypoint, payload"))
        jobs = [(row.entrypoint, json.loads(row.payload)) for row in rows]
    for entrypoint, payload in jobs:
        if entrypoint == "complete":
            await advance(running.hub.services, UUID(payload["contract"]))
        elif entrypoint == "alert":
            await alert_staff(running.hub.services, UUID(payload["alert"]))
        else:
            await running.hub.services.messaging.router.send_delivery(UUID(payload["delivery"]), fresh=True)
    return len(jobs)


async def earliest_hub_step(running: Running) -> datetime | None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        due: datetime | None = await tx.connection.scalar(text("SELECT min(hub_due_at) FROM contract"))
    return due


async def hub_rounds(running: Running, clock: StandingClock, until: datetime) -> None:
    """Move the clock from one retry of the hub to the next and take each, up to `until`."""
    while True:
        await work_off(running)
        due = await earliest_hub_step(running)
        if due is None or due > until:
            clock.go_to(until)
            return
        clock.go_to(due)
        await running.worker.periodic.run_round()


def minutes_between(moments: Sequence[datetime]) -> list[float]:
    return [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(moments)]
