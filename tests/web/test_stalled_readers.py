"""Clients that stop reading, whatever the answer is: dropped. Those that read slowly and steadily: served to the end.

What counts is what the server's system still keeps of a connection, so also answers that lie there after the hub has
written them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from aiohttp import web

from bench.attackers import Stalled, Target, drop_seconds
from hub.web import slow_clients
from hub.web.app import make_app
from tests.running import Running, running_hub, until
from tests.web.serving import served

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what it keeps of a connection"),
]
PATIENCE = 0.8
BUSY = 60.0
"""Seconds that a busy machine may take for what has to come at once."""
LARGE, MEDIUM = bytes(8 << 20), 100 << 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub(with_worker=False) as hub:
        yield hub


def app_with_large_answers(running: Running, patience: float) -> web.Application:
    app = make_app(running.hub, patience=patience)

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def medium(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE[:MEDIUM])

    app.router.add_get("/large", large)
    app.router.add_get("/medium", medium)
    return app


def asked(target: Target) -> dict[str, bytes]:
    """What those who do not read ask for: until every buffer on the way is full, or once."""
    static = target.head("GET /static/signer/update.js")
    return {
        "a static file, again and again": static * 2000,
        "a static file, once": static,
        "a static file, and then no more": target.head("GET /static/signer/update.js", Connection="close"),
        "a large answer": target.head("GET /large"),
        "a large answer, and then no more": target.head("GET /large", Connection="close"),
        "a page, again and again": target.head("GET /verify", Accept="text/html") * 500,
    }


async def test_whoever_does_not_read_is_dropped(running: Running) -> None:
    before = len(asyncio.all_tasks())
    async with served(app_with_large_answers(running, PATIENCE)) as origin:
        target, served_by = Target.at(origin, running.origin), len(asyncio.all_tasks()) - before
        with stalled(target, asked(target)) as readers:
            await drop_seconds(target, list(readers.values()), BUSY)
            kept = target.kept()
        assert [what for what, reader in readers.items() if reader.port in kept] == []

        async def nobody_serves_them() -> bool:
            return len(asyncio.all_tasks()) - before <= served_by

        await until(nobody_serves_them)


async def test_whoever_reads_in_drips_is_dropped(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what is wanted. The system, which ends only what does not move at all, does not help here."""
    monkeypatch.setattr(slow_clients, "LONGER", 2 * BUSY / PATIENCE)
    async with served(app_with_large_answers(running, PATIENCE)) as origin:
        target = Target.at(origin, running.origin)
        sent = asked(target)
        del sent["a static file, once"], sent["a static file, and then no more"]  # lie in the system alone, at once
        with stalled(target, sent) as readers:
            reading = [asyncio.create_task(reader.read(per_second=500)) for reader in readers.values()]
            await drop_seconds(target, list(readers.values()), BUSY)
            kept = target.kept()
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        assert [what for what, reader in readers.items() if reader.port in kept] == []


async def test_whoever_reads_slowly_and_steadily_is_served_to_the_end(running: Running) -> None:
    async with served(app_with_large_answers(running, PATIENCE)) as origin:
        target = Target.at(origin, running.origin)
        with stalled(target, {"medium": target.head("GET /medium", Connection="close")}) as readers:
            came = await readers["medium"].read(per_second=50_000)
    assert len(came.partition(b"\r\n\r\n")[2]) == MEDIUM


@contextlib.contextmanager
def stalled(target: Target, sent: dict[str, bytes]) -> Iterator[dict[str, Stalled]]:
    readers = {what: Stalled(target, each) for what, each in sent.items()}
    try:
        yield readers
    finally:
        for reader in readers.values():
            reader.close()
