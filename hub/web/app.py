"""The web application and its server."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import Counter, OrderedDict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import aiohttp_jinja2
import jinja2
import structlog
from aiohttp import web

from hub.client_faults import ignore_client_faults
from hub.lifecycle.staff.check_password import PasswordGate
from hub.settings import PACKED
from hub.web import api, authority, demo, home, operations, public_verify, signer, staff
from hub.web.file_checks import CHECKS, FileChecks
from hub.web.http.access_log import AccessLog
from hub.web.http.app_keys import HUB, PAGE_IMAGES, PASSWORDS, RATE_LIMITS
from hub.web.http.disconnects import ignore_disconnects
from hub.web.http.problems import answer_errors
from hub.web.http.rate_limit import RateLimits
from hub.web.http.request_ids import name_request
from hub.web.http.security import add_headers, redirect_to_public_address, refuse_compressed_bodies, require_same_origin
from hub.web.http.slow_clients import PATIENCE, SlowClients
from hub.web.http.upload_counts import UPLOADS
from hub.web.inbound import callbacks, chat
from hub.web.pages import logo
from hub.web.pages.compression import compress
from hub.web.pages.i18n import CATALOGUES, Catalogues
from hub.web.pages.logo import LOGO, logo_path
from hub.web.pages.page_images import PageImages
from hub.web.pages.render import RENDERED, SITE, STATIC, SiteFacts, as_heading, below_heading, with_code
from hub.web.pages.scripts import SCRIPTS, Scripts, publish_hashes
from hub.web.staff.board.board_counts import COUNTS, KeptCounts
from hub.web.staff.board.board_stream import add_board_stream
from hub.web.staff.staff.doctor import ANSWER, DoctorAnswer
from hub.wiring import Hub

MAX_BODY_BYTES = 21 << 20  # an uploaded file of 20 MB and its envelope; JSON is bounded more tightly where it is read
# The most fields of a form. To choose more lines than a page shows, people choose all that match a filter.
MAX_FORM_FIELDS = 1000
SHUTDOWN_TIMEOUT = 10.0
STATIC_FOLDER = Path(__file__).parent / "static"
log = structlog.get_logger()


def make_app(hub: Hub, *, patience: float = PATIENCE, rate_limits: RateLimits | None = None) -> web.Application:
    """Return the application with all routes. `patience`: how long a client may keep the server waiting, in seconds."""
    slow = SlowClients(patience)
    app = web.Application(
        middlewares=[
            name_request,
            ignore_disconnects,
            slow.middleware(),
            answer_errors,
            redirect_to_public_address,
            require_same_origin,
            refuse_compressed_bodies,
            compress,
        ],
        client_max_size=MAX_BODY_BYTES,
        client_max_fields=MAX_FORM_FIELDS,
        handler_args={
            "keepalive_timeout": slow.keepalive,
            "access_log_class": AccessLog,
            "lingering_time": 5.0,
            "auto_decompress": False,  # see `refuse_compressed_bodies`
        },
    )
    ignore_client_faults()
    app[HUB] = hub
    add_pages(app, SiteFacts(hub.services.origin, hub.settings.school.named, hub.demo), logo_path(hub))
    app[PAGE_IMAGES] = PageImages(hub.services.documents.pages)
    app[ANSWER] = DoctorAnswer()
    app[COUNTS] = KeptCounts()
    add_board_stream(app)
    app[RATE_LIMITS] = rate_limits or RateLimits(proxies=hub.settings.trusted_proxies)
    app[PASSWORDS] = PasswordGate(hub.services.password_cost)
    app[CHECKS] = FileChecks()
    app[UPLOADS] = Counter()
    app.cleanup_ctx.append(slow.watch)
    app.add_routes(_routes(hub))
    return app


def add_pages(app: web.Application, site: SiteFacts, logo_of_school: str | None) -> None:
    """Add what every page needs: templates in both languages, static files, security headers."""
    app[SITE] = site
    app[CATALOGUES] = _catalogues()
    app[SCRIPTS] = Scripts.read(STATIC_FOLDER)
    app[STATIC] = f"/static/{_static_version()}"
    app[LOGO] = logo_of_school or f"{app[STATIC]}/seal.svg"
    app[RENDERED] = OrderedDict()
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(PACKED / "templates" / "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        filters={"as_heading": as_heading, "below_heading": below_heading, "with_code": with_code},
    )
    app.on_response_prepare.append(add_headers)
    app.router.add_static(app[STATIC], STATIC_FOLDER)
    app.router.add_static("/static", STATIC_FOLDER)


@cache
def _catalogues() -> Catalogues:
    return Catalogues.read(PACKED / "templates" / "languages")


def _routes(hub: Hub) -> Iterable[web.AbstractRouteDef]:
    yield from signer.routes(hub)
    yield from public_verify.routes(hub)
    yield web.get("/.well-known/qianda-scripts.sha256", publish_hashes)
    yield from home.routes(hub)
    yield from logo.routes(hub)
    for part in (api, staff, authority, chat, callbacks, operations):
        yield from part.routes(hub)
    if hub.demo:  # elsewhere these routes do not exist
        yield from demo.routes(hub)


def _static_version() -> str:
    """Return a version that changes with the static files, so that browsers may cache them forever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC_FOLDER.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(STATIC_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


async def run_web(hub: Hub, *, host: str, port: int, stop: asyncio.Event, tls: ssl.SSLContext | None = None) -> None:
    """Serve until `stop` is set, then finish the requests under way. `tls`: serve HTTPS, if no proxy does."""
    runner = web.AppRunner(make_app(hub), shutdown_timeout=SHUTDOWN_TIMEOUT)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=tls).start()
        log.info("web started", origin=hub.services.origin)
        await stop.wait()
    finally:
        await runner.cleanup()
