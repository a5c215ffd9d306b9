"""What protects visitors' browsers: headers, same-origin for everything that changes something, the session's cookie.

The Host header is compared, never trusted: every address that we hand out is built from the configured public origin.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from aiohttp import web, web_response
from aiohttp.typedefs import Handler

from hub.errors import AccessDenied
from hub.web.app_keys import HUB
from hub.web.pages import STATIC
from hub.web.problems import PROGRAMS

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
# Without versions; also where aiohttp answers by itself, before any handler of ours.
setattr(web_response, "SERVER_SOFTWARE", "Qianda")  # noqa: B010 - aiohttp has no setting for it
FOR_EVER = "public, max-age=31536000, immutable"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On everything that leaves. Nothing is kept by anybody unless a handler says otherwise; static files may be."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.status in (200, 304) and request.path.startswith(request.app[STATIC] + "/"):
        response.headers["Cache-Control"] = FOR_EVER
    elif request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-cache"
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    if request.app[HUB].services.origin.startswith("https://"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


@web.middleware
async def same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site makes a browser send (Fetch Metadata; RFC 6454 for Origin)."""
    if request.method not in SAFE_METHODS and not _from_here(request):
        raise AccessDenied("this request came from another site")
    return await handler(request)


def refuse_other_sites(request: web.Request) -> None:
    """For a page that makes something by being looked at: it opens from a page of ours, or by the person's own hand.

    A browser too old to say where it comes from (Safari before 16.4) is let in: staff shall be able to work with it,
    and all that a foreign site gains is a link that nobody but them sees, and a line in the record.
    """
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise AccessDenied("another site led here: open it from the contract's page")


def _from_here(request: web.Request) -> bool:
    """A program sends neither header: no cookie either, or a bearer beside it, which no other site can make a browser
    send. A form of our own may say `Origin: null`, because no page of ours
    tells where it was; then the browser's Sec-Fetch-Site decides.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != "null":
        return origin == request.app[HUB].services.origin
    return site is not None or (origin is None and ("Cookie" not in request.headers or bearer(request) is not None))


@web.middleware
async def public_address(request: web.Request, handler: Handler) -> web.StreamResponse:
    """On one's own machine: whoever came by another name of it (localhost) is sent to the public origin, to
    which the proof of a key is bound. Elsewhere the proxy in front decides what Host we see: a redirect could circle.
    """
    public = urlsplit(request.app[HUB].services.origin)
    if "://" in request.raw_path.partition("?")[0] and urlsplit(request.raw_path).netloc not in ("", public.netloc):
        raise web.HTTPMisdirectedRequest  # the absolute form of RFC 9112 3.2.2, of somebody else's address
    page = request.method in ("GET", "HEAD") and not request.path.startswith(PROGRAMS)
    if page and public.hostname in LOOPBACK and request.headers.get("Host", public.netloc) != public.netloc:
        raise web.HTTPPermanentRedirect(f"{public.scheme}://{public.netloc}{request.rel_url.raw_path_qs}")
    return await handler(request)


# ---- the session's secret


def bearer(request: web.Request) -> str | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() or None if scheme.lower() == "bearer" and secret.isascii() else None


def cookie(request: web.Request, name: str) -> str:
    """Empty when there is none, or one that we never set."""
    value = request.cookies.get(name, "")
    return value if value.isascii() else ""


def session_secret(request: web.Request) -> str:
    """Of the visitor's signing session; a bearer wins over the cookie. Empty when there is none."""
    return bearer(request) or cookie(request, COOKIE)


def set_session(response: web.StreamResponse, secret: str, now: datetime, expires_at: datetime) -> None:
    seconds = max(0, int((expires_at - now).total_seconds()))
    response.set_cookie(COOKIE, secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="Lax")


def clear_session(response: web.StreamResponse) -> None:
    response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
