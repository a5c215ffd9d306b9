"""Handle clients that disconnect before they get an answer. This is not logged as an error."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

# A status for the log only, as in nginx. Nobody receives it.
CLIENT_LEFT = 499


def has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


@web.middleware
async def ignore_disconnects(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except OSError:
        if not has_left(request):
            raise
        return web.Response(status=CLIENT_LEFT)
