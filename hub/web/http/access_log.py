"""Write the access log: one line per request, with the route pattern instead of the path. So it contains no tickets,
codes or queries."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from hub.measures import count_request
from hub.web.http.request_ids import id_of

# One route for all static files: the prefix changes with their content.
STATIC_ROUTE = "/static"
NO_ROUTE = "none"
# The media type of server-sent events.
EVENT_STREAM = "text/event-stream"
log = structlog.get_logger()


class AccessLog(AbstractAccessLogger):
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        is_stream = response.content_type == EVENT_STREAM
        count_request(request.method, route_of(request), response.status, None if is_stream else time)
        log.info(
            "request",
            request=id_of(request),
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
    # Bytes that are not a valid request, such as an unknown method, are answered before the application sees them.
    if not isinstance(request, web.Request) or id_of(request) is None:
        return NO_ROUTE
    resource = request.match_info.route.resource
    if resource is None:
        return NO_ROUTE
    return STATIC_ROUTE if isinstance(resource, web.StaticResource) else str(resource.canonical)
