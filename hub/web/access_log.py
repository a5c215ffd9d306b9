"""Access log: one line per request, with the route pattern in place of the path, so without tickets, codes, queries."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

log = structlog.get_logger()


class AccessLog(AbstractAccessLogger):
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        log.info(
            "request",
            method=request.method,
            route=route_of(request),
            status=response.status,
            bytes=response.body_length,
            ms=round(time * 1000, 1),
        )

    @property
    def enabled(self) -> bool:
        return True


def route_of(request: web.BaseRequest) -> str:
    """Return the route pattern of the request, such as `/s/{ticket}`."""
    resource = request.match_info.route.resource if isinstance(request, web.Request) else None
    return resource.canonical if resource is not None else "none"
