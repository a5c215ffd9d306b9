"""Give each request an id. It is in all log lines of the request, in a header of its answer, and in problem details."""

from __future__ import annotations

import secrets
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler
from structlog.contextvars import bind_contextvars

HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
ID_BYTES = 8
# Routes whose `{id}` is a contract.
OF_CONTRACTS = ("/api/v1/contracts/{id}", "/staff/contracts/{id}")


@web.middleware
async def name_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id of ours. An id that the client sends is never used, because it could forge log lines."""
    request[REQUEST_ID] = secrets.token_hex(ID_BYTES)
    # Each request is a task of its own, so the bound values end with it.
    bind_contextvars(request=request[REQUEST_ID], **_contract_of(request))
    return await handler(request)


def id_of(request: web.BaseRequest) -> str | None:
    """Return the id; None for bytes that are not a valid request."""
    return request.get(REQUEST_ID)


def _contract_of(request: web.Request) -> dict[str, str]:
    resource = request.match_info.route.resource
    if resource is None or not resource.canonical.startswith(OF_CONTRACTS):
        return {}
    try:
        return {"contract": str(UUID(request.match_info["id"]))}
    except ValueError:
        return {}
