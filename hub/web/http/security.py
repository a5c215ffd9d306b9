"""Security headers, same-origin checks for requests that change something, and session cookies.

The Host header is compared, never trusted: every URL that we hand out is built from the configured public origin.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import MultipartReader, web, web_response
from aiohttp.typedefs import Handler

from hub.errors import AccessDenied
from hub.measures import SecurityEvent
from hub.web.http.app_keys import HUB
from hub.web.http.problems import PROGRAMS
from hub.web.http.request_ids import HEADER, id_of
from hub.web.http.security_events import report_event
from hub.web.pages.render import SITE, STATIC

COOKIE = "__Host-qianda"
LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1"}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
# No version number, even in responses by aiohttp itself.
setattr(web_response, "SERVER_SOFTWARE", "Qianda")  # noqa: B010 - aiohttp has no setting for it
# Lines before the first part of a form (RFC 2046, 5.1.1, preamble). Browsers send none, a few programs an empty one.
MAX_PREAMBLE_LINES = 16


async def _read_first_boundary(form: MultipartReader) -> None:
    """Read up to the first part of a form. Raises ValueError if too many lines come before it: aiohttp reads lines
    without end there, and a megabyte of empty ones would stop the event loop for seconds."""
    for _ in range(MAX_PREAMBLE_LINES):
        line = (await form._readline()).rstrip()
        if line in (form._boundary, form._boundary + b"--"):
            form._at_eof = line != form._boundary
            return
    raise ValueError("the form does not begin with a part")


# For all forms, also those that `request.post` reads. aiohttp has no setting for it.
setattr(MultipartReader, "_read_until_first_boundary", _read_first_boundary)  # noqa: B010 - mypy takes it for a method
FOR_EVER = "public, max-age=31536000, immutable"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add headers to every response. Only static files, and responses whose handler says so, may be cached."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if (request_id := id_of(request)) is not None:
        response.headers.setdefault(HEADER, request_id)
    if response.status in (200, 304) and request.path.startswith(request.app[STATIC] + "/"):
        response.headers["Cache-Control"] = FOR_EVER
    elif request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    if request.app[SITE].origin.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


@web.middleware
async def require_same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that another site makes a browser send (Fetch Metadata; RFC 6454 for Origin)."""
    if request.method not in SAFE_METHODS and not comes_from(request, request.app[SITE].origin):
        report_event(request, SecurityEvent.OTHER_SITE)
        raise AccessDenied("this request came from another site")
    return await handler(request)


def refuse_other_sites(request: web.Request) -> None:
    """Refuse a GET that has side effects unless it comes from our own pages or was entered by the person.

    Browsers without Fetch Metadata (Safari before 16.4) are let in, so that people can use them. There, another site
    could only cause a link that nobody but staff sees, an entry in the record, and a signature that has to be begun
    again.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        report_event(request, SecurityEvent.OTHER_SITE)
        raise AccessDenied("this was opened from another site: open it from the contract's page")


def comes_from(request: web.Request, own: str) -> bool:
    """Return whether a request comes from our own pages or from a program. `own`: our origin.

    A program sends neither header. It sends no cookie, or a bearer, which another site cannot make a browser send. Our
    own forms may send `Origin: null`, because our pages send no referrer; in this case Sec-Fetch-Site decides.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != "null":
        return origin == own
    return site is not None or (origin is None and ("Cookie" not in request.headers or bearer(request) is not None))


@web.middleware
async def refuse_compressed_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse bodies with a Content-Encoding (RFC 9110, 15.5.16): a few kilobytes would keep the server busy unpacking
    gigabytes. The server's `auto_decompress` is off, since it also unpacks the rest of a body that nobody reads."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise web.HTTPUnsupportedMediaType(headers={"Accept-Encoding": "identity"})
    return await handler(request)


@web.middleware
async def redirect_to_public_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Redirect visitors who use another name of this machine (localhost) to the public origin.

    The proof of a key is bound to that origin. Redirect only on a local machine: elsewhere a proxy determines the Host,
    and the redirect could loop.
    """
    public = urlsplit(request.app[HUB].services.origin)
    if "://" in request.raw_path.partition("?")[0] and urlsplit(request.raw_path).netloc not in ("", public.netloc):
        report_event(request, SecurityEvent.FOREIGN_ADDRESS)
        raise web.HTTPMisdirectedRequest  # absolute form (RFC 9112 3.2.2) with a foreign URL
    page = request.method in ("GET", "HEAD") and not request.path.startswith(PROGRAMS)
    if page and public.hostname in LOOPBACK and request.headers.get("Host", public.netloc) != public.netloc:
        raise web.HTTPPermanentRedirect(f"{public.scheme}://{public.netloc}{request.rel_url.raw_path_qs}")
    return await handler(request)


# ---- the session's secret


def bearer(request: web.Request) -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" and secret.isascii() else None


def cookie(request: web.Request, name: str) -> str:
    """Return the value of a cookie; empty if it is missing or cannot have been set by us."""
    value = request.cookies.get(name, "")
    return value if value.isascii() else ""


def session_secret(request: web.Request) -> str:
    """Return the secret of the signing session, from the bearer, else from the cookie; empty if there is none."""
    return bearer(request) or cookie(request, COOKIE)


def set_session(response: web.StreamResponse, secret: str, now: datetime, expires_at: datetime) -> None:
    seconds = max(0, int((expires_at - now).total_seconds()))
    response.set_cookie(COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")


def clear_session(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
