"""Serve health and metrics of a worker over HTTP, on a port of its own: `/healthz`, `/readyz`, `/metrics`.

This is plain HTTP for monitoring systems. The port is closed unless it is configured, and by default only this machine
can reach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.core import Metric

from hub.client_faults import ignore_client_faults
from hub.errors import QiandaError
from hub.measures import SecurityEvent
from hub.model.staff.scope import EVERYTHING
from hub.operator_metrics import gauge, render_process_metrics
from hub.security_log import log_security_event
from hub.wiring import Hub
from hub.worker.loop_watch import LoopWatch

DATABASE_TIMEOUT = 5.0
# How many seconds answers in progress may take when the worker ends.
SHUTDOWN_TIMEOUT = 1.0
# A probe sends no body and small headers, so a larger request is not from a probe.
MAX_BODY_BYTES = 1024
log = structlog.get_logger()


@asynccontextmanager
async def serving_health(hub: Hub, watch: LoopWatch) -> AsyncIterator[None]:
    """Answer on the configured port while the block runs. Raises OSError if it is taken."""
    settings = hub.settings
    runner = web.AppRunner(make_health_app(hub, watch), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.work_host, settings.work_port).start()
        log.info("health endpoint started", host=settings.work_host, port=settings.work_port)
        yield
    finally:
        await runner.cleanup()


def make_health_app(hub: Hub, watch: LoopWatch) -> web.Application:
    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(request: web.Request) -> web.Response:
        late = [loop for loop, seconds in watch.list_lateness().items() if seconds > 0]
        database = await _database_answers(hub)
        ready = database and not late
        return web.json_response(
            {"ready": ready, "database": database, "late_loops": late}, status=200 if ready else 503
        )

    async def metrics(request: web.Request) -> web.Response:
        if not hub.metrics_access.allows(request.remote, request.headers):
            log_security_event(hub.database.cipher, SecurityEvent.METRICS_REFUSED, request.remote)
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        return web.Response(
            body=render_process_metrics(hub, list_loop_metrics(watch)), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    ignore_client_faults()
    app = web.Application(client_max_size=MAX_BODY_BYTES, handler_args={"auto_decompress": False})
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


def list_loop_metrics(watch: LoopWatch) -> list[Metric]:
    late = "For how long a loop of this worker has not been heard of although it should have been"
    return [gauge("worker_loop_late_seconds", late, "loop", watch.list_lateness())]


async def _database_answers(hub: Hub) -> bool:
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT), hub.database.transaction(EVERYTHING) as tx:
            await tx.pause.get()
    except (QiandaError, OSError, TimeoutError) as error:
        log.warning("not ready", part="database", reason=repr(error)[:200])
        return False
    return True
