"""Health, readiness and metrics for operators."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from hub.errors import QiandaError
from hub.model.staff.accounts import EVERYTHING
from hub.store.server.migrate import is_current
from hub.web.rate_limit import remote_address
from hub.web.security import bearer
from hub.wiring import Hub

# How long after its last heartbeat a worker counts as alive. Workers send one every five seconds.
WORKER_SILENCE = timedelta(seconds=30)
LOOK_TIMEOUT = 5.0
KEPT_SECONDS = 1.0
HELP = {
    "contracts": "Contracts by state",
    "signing_tasks": "Signing tasks by state",
    "deliveries": "Messages by state",
    "staff_tasks": "Open staff tasks by kind",
    "jobs": "Queued jobs by kind and status",
    "stuck": "Signed contracts that the hub could not finish yet, by reason",
}
log = structlog.get_logger()


class _Readiness:
    """Readiness checks, made at most once a second, because a check makes the token sign."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")
        self._found: dict[str, bool] = {}

    async def look(self) -> dict[str, bool]:
        checks: dict[str, Callable[[], Awaitable[bool]]] = {
            "migrations": self._migrations,
            "school": self._school,
            "token": self._token,
            "worker": self._worker,
        }
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._looked_at > KEPT_SECONDS:
                self._found = {name: await _passes(name, check) for name, check in checks.items()}
                self._looked_at = now
            return self._found

    async def _migrations(self) -> bool:
        return await is_current(self._hub.database.dsn)

    async def _school(self) -> bool:
        """Check that the school of a demo is loaded. Outside the demo a school may be empty."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            return not self._hub.demo or bool(await tx.school.courses())

    async def _token(self) -> bool:
        await self._hub.services.sealing.seal.key.check()
        return True

    async def _worker(self) -> bool:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            return await tx.operations.workers_seen(tx.now - WORKER_SILENCE) > 0


async def _passes(name: str, check: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await asyncio.wait_for(check(), LOOK_TIMEOUT)
    except (QiandaError, OSError, TimeoutError) as error:
        log.warning("not ready", part=name, reason=repr(error)[:200])
        return False


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    readiness = _Readiness(hub)

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(request: web.Request) -> web.Response:
        found = await readiness.look()
        return web.json_response({"ready": all(found.values())} | found, status=200 if all(found.values()) else 503)

    async def metrics(request: web.Request) -> web.Response:
        if not await _may_count(hub, request):
            raise web.HTTPNotFound
        return web.Response(body=await _metrics(hub), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


async def _may_count(hub: Hub, request: web.Request) -> bool:
    """Return whether the metrics may be read: from this machine, or with an API key of headquarters."""
    if remote_address(request, hub.settings.trusted_proxies) is None:
        return True
    async with hub.database.transaction(EVERYTHING) as tx:
        key = await tx.api_keys.api_key(bearer(request) or "")
        return key is not None and await tx.school.scope_below(key.campus) == EVERYTHING


async def _metrics(hub: Hub) -> bytes:
    async with hub.database.transaction(EVERYTHING) as tx:
        counts = await tx.operations.counts()
        workers = await tx.operations.workers_seen(tx.now - WORKER_SILENCE)
    registry = CollectorRegistry()
    for name, states in counts.items():
        gauge = Gauge(f"qianda_{name}", HELP[name], ["state"], registry=registry)
        for state, count in states.items():
            gauge.labels(state).set(count)
    Gauge("qianda_workers", "Workers that were heard of lately", registry=registry).set(workers)
    return generate_latest(registry)
