"""The port of a worker: alive, ready, metrics. A loop that hangs, or fails again and again, makes it not ready."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest

from bench.programs.ports import free_port
from hub.worker.health import serving_health
from hub.worker.worker import Worker, WorkerTimings
from tests.running import Running, running_hub, until

TOKEN = "metrics-of-this-hub-alone"
# A loop that is busy for longer than two seconds is late.
QUICK = WorkerTimings(0.2, queue_rests=timedelta(seconds=0.2), turn_limit=2.0, round_limit=2.0)


@asynccontextmanager
async def at_work(**configured: Any) -> AsyncIterator[tuple[Running, str]]:
    """Run a hub whose worker has a port for health. Yield it, and where that answers."""
    port = free_port()
    async with running_hub(with_worker=False, with_web=False, configured={"work_port": port} | configured) as running:
        stop = asyncio.Event()
        worker = Worker(running.hub, QUICK)
        task = asyncio.create_task(worker.run(stop))
        try:
            await worker.ready.wait()
            yield running, f"http://127.0.0.1:{port}"
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)


async def ask(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, Any]:
    async with http.get(url, headers=headers) as answer:
        return answer.status, await (answer.json() if answer.content_type == "application/json" else answer.text())


@pytest.mark.real
async def test_a_loop_that_hangs_is_named_and_forgiven_when_it_goes_on() -> None:
    async with at_work() as (running, origin):

        async def ready() -> Any:
            return (await ask(running.http, f"{origin}/readyz"))[0] == 200

        async def hanging() -> Any:
            status, said = await ask(running.http, f"{origin}/readyz")
            # On a busy machine, any loop may be late for a moment: not this one all the time.
            others_go_on = said["database"] is True and "listen_for_callbacks" not in said["late_loops"]
            return status == 503 and "remind" in said["late_loops"] and others_go_on

        await until(ready)
        owner = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//owner@"))
        try:
            async with owner.transaction():
                await owner.execute("LOCK TABLE signing_task IN ACCESS EXCLUSIVE MODE")
                assert await until(hanging)
                assert (await ask(running.http, f"{origin}/healthz"))[0] == 200  # it answers: it is alive
                text = (await ask(running.http, f"{origin}/metrics"))[1]
                late = next(line for line in text.splitlines() if 'late_seconds{loop="remind"}' in line)
                assert float(late.rpartition(" ")[2]) > 0
        finally:
            await owner.close()
        await until(ready)


async def test_a_worker_whose_database_is_away_is_not_ready() -> None:
    async with running_hub(with_worker=False, with_web=False, configured={"work_port": free_port()}) as running:
        worker = Worker(running.hub)
        async with serving_health(running.hub, worker.watch):
            url = f"http://127.0.0.1:{running.hub.settings.work_port}/readyz"
            assert (await ask(running.http, url))[0] == 200
            superuser = await asyncpg.connect(running.hub.database.dsn.replace("//app@", "//superuser@"))
            name = await superuser.fetchval("SELECT current_database()")
            await superuser.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0')  # which does not bind superusers
            await superuser.close()
            await running.hub.database.close()
            assert await ask(running.http, url) == (503, {"ready": False, "database": False, "late_loops": []})


async def test_the_metrics_of_a_worker_want_the_credential_and_nothing_is_there_besides() -> None:
    configured = {"work_port": free_port(), "metrics_token": TOKEN}
    async with running_hub(with_worker=False, with_web=False, configured=configured) as running:
        worker = Worker(running.hub)
        async with serving_health(running.hub, worker.watch):
            origin = f"http://127.0.0.1:{running.hub.settings.work_port}"
            assert (await ask(running.http, f"{origin}/metrics"))[0] == 401
            assert (await ask(running.http, f"{origin}/metrics", Authorization=f"Bearer {TOKEN}x"))[0] == 401
            status, text = await ask(running.http, f"{origin}/metrics", Authorization=f"Bearer {TOKEN}")
            assert status == 200 and "qianda_database_pool_size 12.0" in text and "qianda_contracts" not in text
            assert (await ask(running.http, f"{origin}/staff"))[0] == 404
            async with running.http.post(f"{origin}/readyz", data=b"x" * 4096) as answer:
                assert answer.status == 405


async def test_a_taken_port_stops_the_worker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configured = {"work_port": taken.getsockname()[1]}
        async with running_hub(with_worker=False, with_web=False, configured=configured) as running:
            with pytest.raises(OSError, match="address already in use"):
                await Worker(running.hub).run(asyncio.Event())
