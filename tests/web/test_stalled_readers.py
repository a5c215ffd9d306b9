"""Clients that stop reading are dropped, whatever the answer is. Clients that read slowly and steadily are served to
the end.

What counts is what the server's system still keeps of a connection. That includes answers that wait there after the hub
has written them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.testing import capture_logs

from bench.simulated.attackers import Stalled, Target, drop_seconds
from hub.demo.tls import make_certificates, server_context
from hub.settings import Settings
from hub.web.app import make_app
from hub.web.http import slow_clients
from hub.web.http.disconnects import CLIENT_LEFT
from tests.running import Running, running_hub, until
from tests.web.guardian_beside import Figures, Guardian, guardian_at
from tests.web.serving import served

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what it keeps of a connection"),
]
PATIENCE = 0.8
# Seconds that a busy machine may take for what has to happen at once.
BUSY = 60.0
# The patience of the hub, and the seconds within which a client has to be dropped: 15 by the design, with the patience
# of a hub at a school.
PATIENCES = [(PATIENCE, BUSY), pytest.param(slow_clients.PATIENCE, 15.0, marks=pytest.mark.real)]
LARGE, MEDIUM, REST = bytes(8 << 20), 100 << 10, 60 << 10
REQUESTS = 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub() as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guardian(running: Running) -> AsyncIterator[Guardian]:
    async with guardian_at(running) as beside:
        yield beside


def app_with_large_answers(running: Running, patience: float) -> web.Application:
    app = make_app(running.hub, patience=patience)

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE)

    async def medium(_request: web.Request) -> web.Response:
        return web.Response(body=LARGE[:MEDIUM])

    async def rest(request: web.Request) -> web.StreamResponse:
        """Return while most of the answer still waits in the hub, as large answers of the framework never do."""
        answer = web.StreamResponse(headers={"Content-Length": str(REST)})
        await answer.prepare(request)
        await answer.write(LARGE[:REST])
        return answer

    app.router.add_get("/rest", rest)
    app.router.add_get("/large", large)
    app.router.add_get("/medium", medium)
    return app


def tls_of(folder: Path) -> ssl.SSLContext:
    certificates = make_certificates(Settings.load(data=folder, host="192.168.0.1"), datetime.now(UTC))
    assert certificates
    return server_context(certificates)


def asked(target: Target) -> dict[str, bytes]:
    """Return requests of clients that do not read the answers: enough to fill every buffer on the way, or a single
    one."""
    static = target.head("GET /static/signer/update.js")
    return {
        "a static file, again and again": static * 2000,
        "a static file, once": static,
        "a static file, and then no more": target.head("GET /static/signer/update.js", Connection="close"),
        "a large answer": target.head("GET /large"),
        "a large answer, and then no more": target.head("GET /large", Connection="close"),
        "an answer that is still in the hub, and then no more": target.head("GET /rest", Connection="close"),
        "a page, again and again": target.head("GET /verify", Accept="text/html") * 500,
    }


@pytest.mark.parametrize(("patience", "within"), PATIENCES)
async def test_whoever_does_not_read_is_dropped(
    running: Running, guardian: Guardian, figures: Figures, patience: float, within: float
) -> None:
    before = len(asyncio.all_tasks())
    async with served(app_with_large_answers(running, patience)) as origin:
        target, served_by = Target.at(origin, running.origin), len(asyncio.all_tasks()) - before
        async with guardian.at(origin) as visitor, visitor.asking() as beside:
            with stalled(target, asked(target)) as readers:
                dropped = await drop_seconds(target, list(readers.values()), within)
                kept = target.kept()
        figures(patience_s=patience, readers=len(readers), dropped_s=max(dropped), **beside.figures)
        assert [what for what, reader in readers.items() if reader.port in kept] == []

        async def nobody_serves_them() -> bool:
            return len(asyncio.all_tasks()) - before <= served_by

        await until(nobody_serves_them)


@pytest.mark.parametrize(("patience", "within"), PATIENCES)
async def test_whoever_reads_in_drips_is_dropped(
    running: Running,
    guardian: Guardian,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
    within: float,
) -> None:
    """They read at half the required speed. The system ends only connections that do not move at all, so it does not
    help here."""
    monkeypatch.setattr(slow_clients, "LONGER", 2 * BUSY / patience)
    async with served(app_with_large_answers(running, patience)) as origin:
        target = Target.at(origin, running.origin)
        sent = asked(target)
        del sent["a static file, once"], sent["a static file, and then no more"]  # in the system's buffers at once
        async with guardian.at(origin) as visitor, visitor.asking() as beside:
            with stalled(target, sent) as readers:
                reading = [asyncio.create_task(reader.read(per_second=500)) for reader in readers.values()]
                dropped = await drop_seconds(target, list(readers.values()), within)
                kept = target.kept()
                for task in reading:
                    task.cancel()
                await asyncio.gather(*reading, return_exceptions=True)
        figures(patience_s=patience, readers=len(readers), dropped_s=max(dropped), **beside.figures)
        assert [what for what, reader in readers.items() if reader.port in kept] == []


@pytest.mark.real
async def test_whoever_reads_slowly_and_steadily_is_served_to_the_end(running: Running) -> None:
    async with served(app_with_large_answers(running, PATIENCE)) as origin:
        target = Target.at(origin, running.origin)
        with stalled(target, {"medium": target.head("GET /medium", Connection="close")}) as readers:
            came = await readers["medium"].read(per_second=50_000)
    assert len(came.partition(b"\r\n\r\n")[2]) == MEDIUM


@pytest.mark.parametrize("path", ["/s", "/rest"])
async def test_little_is_worked_out_for_whoever_does_not_read(running: Running, path: str, figures: Figures) -> None:
    app = app_with_large_answers(running, PATIENCE)
    handled = counted(app)
    async with served(app) as origin:
        target = Target.at(origin, running.origin)
        sent = target.head(f"GET {path}", Accept="text/html") * REQUESTS
        with stalled(target, {path: sent}) as readers:
            dropped = await drop_seconds(target, list(readers.values()), BUSY)
    figures(requests=REQUESTS, worked_out=len(handled), dropped_s=max(dropped))
    assert 1 <= len(handled) <= 4


async def test_a_client_with_usual_buffers_gets_what_they_hold(running: Running) -> None:
    app = app_with_large_answers(running, PATIENCE)
    handled = counted(app)
    async with served(app) as origin:
        target = Target.at(origin, running.origin)
        with pipelining(target, target.head("GET /s", Accept="text/html") * REQUESTS) as client:
            port = client.getsockname()[1]

            async def dropped() -> bool:
                return port not in target.kept()

            await until(dropped, BUSY)
    assert 1 <= len(handled) <= 30


async def test_whoever_asks_ahead_and_reads_gets_every_answer(running: Running) -> None:
    app = app_with_large_answers(running, BUSY)
    handled = counted(app)
    async with served(app) as origin:
        target, loop, came = Target.at(origin, running.origin), asyncio.get_running_loop(), bytearray()
        ahead = target.head("GET /s", Accept="text/html") * REQUESTS + target.head("GET /rest", Connection="close")
        with pipelining(target, ahead) as client:
            async with asyncio.timeout(BUSY):
                while piece := await loop.sock_recv(client, 1 << 16):
                    came += piece
    assert came.count(b"HTTP/1.1 200 OK\r\n") == len(handled) == REQUESTS + 1


@pytest.mark.parametrize("encrypted", [False, True])
async def test_whoever_asks_again_and_again_gets_every_answer(
    running: Running, tmp_path: Path, encrypted: bool
) -> None:
    headers, tls = {"Host": running.origin.removeprefix("http://")}, tls_of(tmp_path) if encrypted else None
    async with (
        asyncio.timeout(BUSY),
        served(app_with_large_answers(running, BUSY), tls) as origin,
        aiohttp.ClientSession(origin, headers=headers, connector=aiohttp.TCPConnector(limit=1, ssl=False)) as http,
    ):
        for path, size in (("/large", len(LARGE)), ("/rest", REST), ("/medium", MEDIUM)) * 5:
            async with http.get(path) as answer:
                assert len(await answer.read()) == size


async def test_whoever_leaves_a_tls_connection_does_not_end_the_watch(running: Running, tmp_path: Path) -> None:
    async with served(app_with_large_answers(running, PATIENCE), tls_of(tmp_path)) as origin, asyncio.timeout(BUSY):
        target, unchecked = Target.at(origin.replace("https", "http"), running.origin), ssl._create_unverified_context()
        head = target.head("POST /verify", Content_Type="application/pdf", Content_Length=1000)
        for sent in (target.head("GET /medium", Connection="close"), head + b"%"):
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=unchecked)
            writer.write(sent)
            with contextlib.suppress(ConnectionError):
                await reader.read()  # ends once the connection does
            writer.close()


@pytest.mark.parametrize("by_us", [False, True])
async def test_whoever_leaves_during_an_upload_is_no_error(
    running: Running, caplog: pytest.LogCaptureFixture, by_us: bool
) -> None:
    with capture_logs() as logs:
        async with served(app_with_large_answers(running, PATIENCE if by_us else BUSY)) as origin:
            target = Target.at(origin, running.origin)
            head = target.head("POST /verify", Content_Type="application/pdf", Content_Length=1000)
            with pipelining(target, head + b"%") as client:
                if not by_us:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()

                async def said() -> bool:
                    return any(line["event"] == "request" for line in logs)

                await until(said, BUSY)
    assert [line["status"] for line in logs if line["event"] == "request"] == [CLIENT_LEFT]
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert caplog.records == []


async def test_whoever_leaves_before_a_file_is_no_error(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    app = app_with_large_answers(running, BUSY)

    async def leave(request: web.Request, _answer: web.StreamResponse) -> None:
        with socket.socket(fileno=os.dup(request.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_RDWR)

    app.on_response_prepare.append(leave)
    async with served(app) as origin:
        target = Target.at(origin, running.origin)
        with pipelining(target, target.head("GET /static/signer/update.js")) as client:
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    assert caplog.records == []


def counted(app: web.Application) -> list[str]:
    """Return a list that grows by the path of every request that is handled."""
    handled: list[str] = []

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        handled.append(request.path)
        return await handler(request)

    app.middlewares.append(count)
    return handled


@contextlib.contextmanager
def pipelining(target: Target, sent: bytes) -> Iterator[socket.socket]:
    """Yield a connection with buffers of the usual size, on which all of `sent` is sent at once."""
    with socket.create_connection((target.host, target.port)) as client:
        client.sendall(sent)
        client.setblocking(False)
        yield client


@contextlib.contextmanager
def stalled(target: Target, sent: dict[str, bytes]) -> Iterator[dict[str, Stalled]]:
    readers = {what: Stalled(target, each) for what, each in sent.items()}
    try:
        yield readers
    finally:
        for reader in readers.values():
            reader.close()
