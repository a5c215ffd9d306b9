"""Serve health, readiness and metrics for operators."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from hub.errors import KeyNotValid, QiandaError
from hub.measures import SecurityEvent
from hub.model.staff.key_scopes import KeyScope
from hub.model.staff.operator_figures import WORKER_SILENCE
from hub.model.staff.scope import EVERYTHING
from hub.operator_metrics import render_hub_metrics
from hub.store.server.migrate import is_current
from hub.store.staff.api_keys import KEY_ALONE
from hub.web.http.security import bearer
from hub.web.http.security_events import report_event
from hub.wiring import Hub

LOOK_TIMEOUT = 5.0
KEPT_SECONDS = 1.0
log = structlog.get_logger()


class _Readiness:
    """The readiness checks. They are made at most once a second, because a check makes the token sign."""

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
        """Check that the school of a demo is loaded. Outside the demo, a school may be empty."""
        async with self._hub.database.transaction(EVERYTHING) as tx:
            return not self._hub.demo or bool(await tx.school.list_courses())

    async def _token(self) -> bool:
        await self._hub.services.sealing.seal.key.check()
        return True

    async def _worker(self) -> bool:
        async with self._hub.database.transaction(EVERYTHING) as tx:
            return await tx.heartbeats.count_workers(tx.now - WORKER_SILENCE) > 0


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
        if not await _may_read_metrics(hub, request):
            report_event(request, SecurityEvent.METRICS_REFUSED)
            return _refused(hub)
        return web.Response(body=await render_hub_metrics(hub), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]


async def _may_read_metrics(hub: Hub, request: web.Request) -> bool:
    """Return whether the metrics may be read: as `hub.metrics_access` says, or with an API key of headquarters that has
    the scope for metrics."""
    if hub.metrics_access.allows(request.remote, request.headers):
        return True
    with contextlib.suppress(KeyNotValid):
        async with hub.database.transaction_by_key(bearer(request) or "", KEY_ALONE) as (tx, key):
            return KeyScope.METRICS in key.scopes and tx.scope == EVERYTHING
    return False


def _refused(hub: Hub) -> web.Response:
    if not hub.metrics_access.is_credential_wanted:
        raise web.HTTPNotFound
    return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
