"""Periodic work is done once in each round, however many workers there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

from sqlalchemy import text

from hub.model.staff.scope import EVERYTHING
from hub.worker.callback_loop import CallbackLoop
from hub.worker.periodic_tasks import PeriodicTasks
from tests.running import running_hub, until
from tests.statements import noted_statements

DUTIES = {
    "settle",
    "reroute",
    "hear_again",
    "upkeep",
    "call_webhooks",
    "count_rows",
    "purge",
    "build_hash_tree",
    "mail_reports",
}


class Counting(PeriodicTasks):
    """Counts the rounds that this worker does."""

    rounds: Counter[str]

    async def reconcile(self) -> None:
        self.rounds["settle"] += 1

    async def reroute(self) -> None:
        self.rounds["reroute"] += 1

    async def process_remaining_callbacks(self) -> None:
        self.rounds["hear_again"] += 1

    async def upkeep(self) -> None:
        self.rounds["upkeep"] += 1

    async def call_webhooks(self) -> None:
        self.rounds["call_webhooks"] += 1

    async def count_rows(self) -> None:
        self.rounds["count_rows"] += 1

    async def purge(self) -> None:
        self.rounds["purge"] += 1

    async def build_hash_tree(self) -> None:
        self.rounds["build_hash_tree"] += 1

    async def mail_reports(self) -> None:
        self.rounds["mail_reports"] += 1


async def test_three_workers_do_each_round_once() -> None:
    async with running_hub(with_worker=False, with_web=False) as running:
        asked: list[str] = []

        def note(statement: str) -> None:
            asked.extend(["duty"] * ("INSERT INTO duty" in statement))

        stop, rounds = asyncio.Event(), Counter[str]()
        callbacks = CallbackLoop(running.hub, 3600.0, lambda _: None)
        given = (running.hub, 3600.0, callbacks.process_callbacks, lambda *_: None, timedelta(0))
        workers = [Counting(*given) for _ in range(3)]
        for worker in workers:
            worker.rounds = rounds

        async def all_asked() -> bool:
            return len(asked) == len(workers) * len(DUTIES)

        with noted_statements(running.hub.database, note):
            tasks = [asyncio.ensure_future(loop(stop)) for worker in workers for loop in worker.loops]
            try:
                await until(all_asked)
            finally:
                stop.set()
                await asyncio.gather(*tasks)
        assert rounds == dict.fromkeys(DUTIES, 1)


async def test_the_next_round_is_taken_when_it_is_due_whoever_had_the_last_one() -> None:
    async with running_hub(with_worker=False, with_web=False) as running:

        async def take(every: timedelta) -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return await tx.task_times.take("settle", every)

        assert sorted(await asyncio.gather(*(take(timedelta(0)) for _ in range(4))))[-1]
        assert sorted(await asyncio.gather(*(take(timedelta(hours=1)) for _ in range(6)))) == [False] * 5 + [True]


async def test_a_round_is_taken_again_when_the_clock_was_put_back() -> None:
    async with running_hub(with_worker=False, with_web=False) as running:

        async def take() -> bool:
            async with running.hub.database.transaction(EVERYTHING) as tx:
                return await tx.task_times.take("settle", timedelta(seconds=5))

        assert [await take(), await take()] == [True, False]
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("UPDATE duty SET due_at = due_at + interval '1 day'"))
        assert [await take(), await take()] == [True, False]
