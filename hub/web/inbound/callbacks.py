"""Take callbacks of providers, `/callbacks/{channel}`: verify, store and answer them at once. A worker processes them.

Unknown channels, channels without callbacks and forged requests all get the same 403 without a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import structlog
from aiohttp import web

from channels import CallbackAnswer, CallbackRequest, NotGenuine, Reporting
from hub.bounded_read import read_limited
from hub.errors import AccessDenied
from hub.measures import SecurityEvent
from hub.web.http.app_keys import HUB
from hub.web.http.security_events import report_event
from hub.web.inbound.callback_batcher import CallbackBatcher
from hub.wiring import Hub

MAX_CALL_BYTES = 1 << 20  # a bounce may contain the original e-mail
log = structlog.get_logger()


def routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    answered = partial(take_callback, CallbackBatcher(hub.database))
    return [
        web.route(method, path, answered)
        for method in ("GET", "POST")
        for path in ("/callbacks/{channel}", "/callbacks/{channel}/{rest:.+}")
    ]


async def take_callback(batcher: CallbackBatcher, request: web.Request) -> web.Response:
    hub = request.app[HUB]
    name = request.match_info["channel"]
    provider = hub.services.messaging.router.providers.get(name)
    if provider is None or not isinstance(provider.channel, Reporting):
        raise AccessDenied
    try:
        content = provider.channel.read(await _call(request))
    except NotGenuine as error:
        log.warning("callback refused", channel=name, reason=str(error))
        report_event(request, SecurityEvent.CALL_REFUSED, channel=name)
        raise AccessDenied from None
    if content.reports or content.inbound or content.unread:
        await batcher.store(name, content)
    return _answer(content.answer)


async def _call(request: web.Request) -> CallbackRequest:
    """Return the request as received, but with the configured public URL, which proxies may have changed."""
    body = await read_limited(request.content, MAX_CALL_BYTES, lambda _: NotGenuine("the request is too large"))
    headers = {name.lower(): value for name, value in request.headers.items()}
    url = request.app[HUB].services.origin + request.raw_path
    return CallbackRequest(request.method, url, request.raw_path, headers, body)


def _answer(answer: CallbackAnswer) -> web.Response:
    if answer.status == 204:
        return web.Response(status=204)
    return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)
