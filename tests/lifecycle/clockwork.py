"""A clock that stands still until a test moves it, and a worker's rounds along it: weeks pass without waiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from hub.lifecycle.messaging.quotas import alert_if_spent
from hub.lifecycle.reminders.remind_by_hand import remind_by_hand
from hub.lifecycle.services import Services
from hub.model.contract.signer import TaskState
from hub.model.messaging.delivery import Delivery
from hub.model.staff.scope import EVERYTHING
from hub.timestamps import TimestampAuthority
from tests.database import LOCK_WAITS
from tests.lent_hubs import lent_hub
from tests.lifecycle.signer import deliver
from tests.running import MovableClock, Running, running_hub

SHANGHAI = ZoneInfo("Asia/Shanghai")
MORNING = datetime(2026, 11, 25, 10, tzinfo=SHANGHAI).astimezone(UTC)
NIGHT = datetime(2026, 11, 25, 23, tzinfo=SHANGHAI).astimezone(UTC)


@dataclass
class StandingClock(MovableClock):
    moment: datetime = field(default=MORNING)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, step: timedelta) -> None:
        self.moment += step

    def go_to(self, moment: datetime) -> None:
        """Move the clock to this moment, but never back."""
        self.moment = max(self.moment, moment)


@asynccontextmanager
async def quiet_hub(
    clock: MovableClock | None = None,
    timestamps: TimestampAuthority | None = None,
    configured: Mapping[str, Any] | None = None,
) -> AsyncIterator[Running]:
    """Run a hub without pages and without a worker that runs by itself: the test takes every step.

    In a module whose tests share an event loop, an ordinary hub is lent and looks as new.
    """
    if timestamps is None and configured is None:
        async with lent_hub(clock, with_web=False, with_worker=False) as running:
            yield running
        return
    async with running_hub(
        with_web=False, with_worker=False, clock=clock, timestamps=timestamps, configured=configured
    ) as running:
        yield running


async def remind_now(services: Services, contract: UUID) -> list[Delivery]:
    """Send a reminder by hand, as the desk and the API do."""
    async with alert_if_spent(services), services.database.transaction(EVERYTHING) as tx:
        return await remind_by_hand(services, tx, contract, "staff:test")


async def round_of_work(running: Running) -> None:
    """Do what a worker does when it wakes up: due steps, then messages whose fate is open."""
    while await running.worker.due_steps.sweep():
        pass
    await running.worker.periodic.run_round()
    await every_open_task_has_one_next_step(running)


async def follow(running: Running, clock: StandingClock, until: datetime) -> None:
    """Move the clock from one due step to the next and take each, up to `until`."""
    for _ in range(200):
        await round_of_work(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            due = await tx.tasks.find_earliest_due()
            offset = tx.planning_now - tx.now
        if due is None or due - offset > until:
            clock.go_to(until)
            await deliver(running)
            await running.worker.periodic.reconcile()  # sends what has waited for the day
            return
        clock.go_to(due - offset)
    raise AssertionError("the plan never ends")


async def every_open_task_has_one_next_step(running: Running) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for contract in await tx.contracts.list_page(limit=100):
            for task in await tx.tasks.list_of_contract(contract.id):
                assert (task.step is not None) == (task.state is TaskState.OPEN), task


async def sent(running: Running, phone: str) -> list[tuple[str, str]]:
    """Return purpose and local time of the messages that reached a number, oldest first."""
    return [
        (each["purpose"], datetime.fromisoformat(each["at"]).astimezone(SHANGHAI).strftime("%m-%d %H:%M"))
        for each in await running.messages(phone)
    ]


async def waiting(running: Running, count: int) -> bool:
    """Return whether exactly `count` connections wait for a lock."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return int((await tx.connection.fetch(LOCK_WAITS)).one()[0]) == count
