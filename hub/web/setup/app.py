"""The application of the set-up page and its server. It ends when the set-up is finished."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from hub.client_faults import ignore_client_faults
from hub.errors import AccessDenied
from hub.setup.look_at_origin import MARK_PATH
from hub.web.app import add_pages
from hub.web.http.problems import answer_errors
from hub.web.http.security import SAFE_METHODS, comes_from, cookie, refuse_compressed_bodies
from hub.web.pages.compression import compress
from hub.web.pages.i18n import remember_choice
from hub.web.pages.render import SiteFacts, page
from hub.web.setup import installing, steps, trial
from hub.web.setup.access import HOLDER_LIFE
from hub.web.setup.state import STATE, SetupState

COOKIE = "__Host-qianda-setup"
MAX_BODY_BYTES = 5 * 1024 * 1024
SHUTDOWN_TIMEOUT = 5.0


def make_setup_app(state: SetupState, address: str) -> web.Application:
    """Return the application. `address`: where it is served, as far as this is known before an origin is set."""
    ignore_client_faults()
    app = web.Application(
        middlewares=[answer_errors, _require_own_site, refuse_compressed_bodies, _require_holder, compress],
        client_max_size=MAX_BODY_BYTES,
        handler_args={"auto_decompress": False},  # see `refuse_compressed_bodies`
    )
    app[STATE] = state
    add_pages(app, SiteFacts(address, lambda _language: "Qianda 签达"), None)
    app.add_routes(
        [
            web.get(MARK_PATH, _mark),
            web.get("/setup", _resume),
            web.get("/setup/steps/{step}", steps.show_step),
            web.post("/setup/steps/{step}", steps.answer_step),
            web.get("/setup/origin", steps.show_origin),
            web.get("/setup/trial", trial.show_trial),
            web.post("/setup/trial/send", trial.send),
            web.post("/setup/trial/code", trial.take),
            web.get("/setup/check", steps.show_check),
            web.post("/setup/install", installing.install),
            web.get("/setup/installing", installing.show_installing),
            web.get("/setup/done", installing.show_done),
            web.get("/setup/seal.csr", installing.seal_request),
            web.post("/setup/seal", installing.take_certificate),
            web.get("/setup/school.toml", installing.school_file),
            web.post("/setup/finish", installing.finish),
            web.get("/setup/{token}", _open),
            web.post("/setup/{token}", _claim),
        ]
    )
    return app


async def run_setup(state: SetupState, *, host: str, port: int, address: str) -> None:
    """Serve the page until the set-up is finished. No address is logged, because it would contain the token."""
    runner = web.AppRunner(
        make_setup_app(state, address), access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_TIMEOUT
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await state.finished.wait()
    finally:
        await runner.cleanup()


@web.middleware
async def _require_own_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that another site makes a browser send.

    The hub's own host name is not known yet, so the one in the request is trusted. Under another name the browser would
    send no cookie.
    """
    origin = request.headers.get("Origin", "")
    own = origin if urlsplit(origin).netloc == request.host else ""
    if request.method not in SAFE_METHODS and not comes_from(request, own):
        raise AccessDenied("this request came from another site")
    return await handler(request)


@web.middleware
async def _require_holder(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in only the holder. The one-time address, the mark and static files are open to everybody."""
    inside = request.path == "/setup" or (request.path.startswith("/setup/") and "token" not in request.match_info)
    state = request.app[STATE]
    if inside and not state.access.holds(cookie(request, COOKIE), state.clock()):
        return _closed(request)
    try:
        return await handler(request)
    except web.HTTPRedirection as redirect:
        remember_choice(request, redirect)
        raise


async def _mark(request: web.Request) -> web.Response:
    return web.Response(text=request.app[STATE].mark)


async def _resume(request: web.Request) -> web.StreamResponse:
    raise web.HTTPSeeOther(steps.first_page(request))


async def _open(request: web.Request) -> web.StreamResponse:
    """Show the first page. This does not use the address up, because programs that preview addresses open it too."""
    state, now = request.app[STATE], request.app[STATE].clock()
    if state.access.holds(cookie(request, COOKIE), now):
        raise web.HTTPSeeOther(steps.first_page(request))
    if not state.access.may_open(request.match_info["token"], now):
        return _closed(request)
    return page(request, "setup/begin.html", **steps.progress(request, ""))


async def _claim(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    secret = state.access.claim(request.match_info["token"], state.clock())
    if secret is None:
        return _closed(request)
    response = web.HTTPSeeOther(steps.first_page(request))
    seconds = int(HOLDER_LIFE.total_seconds())
    response.set_cookie(COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="Strict")
    raise response


def _closed(request: web.Request) -> web.Response:
    return page(request, "setup/closed.html", status=403, **steps.progress(request, ""))


def serve_setup(state: SetupState, *, host: str, port: int, address: str) -> None:
    """Serve the page in this process until the set-up is finished."""
    asyncio.run(run_setup(state, host=host, port=port, address=address))
