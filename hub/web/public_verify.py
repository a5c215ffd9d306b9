"""The public page `/verify`, on which anybody can have a finished contract verified, as a page or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from hub.errors import BadInput
from hub.web.file_checks import CHECKS, took_too_long
from hub.web.http.app_keys import HUB
from hub.web.http.problems import wants_page
from hub.web.pages.render import page
from hub.wiring import Hub

ZONE = ZoneInfo("Asia/Shanghai")
TOO_LARGE = "More than 20 MB were sent. Please choose smaller files."
NO_FILE = "Please choose one file that is not empty, or two that belong together."


def routes(_hub: Hub) -> Iterable[web.AbstractRouteDef]:
    return [web.get("/verify", form), web.post("/verify", check)]


async def form(request: web.Request) -> web.Response:
    return page(request, "check.html", report=None, unreadable=None, package=None, refused=None)


async def check(request: web.Request) -> web.Response:
    """Check a file. For an evidence package, the page also shows the findings about the file inside it."""
    try:
        said = await request.app[CHECKS].check(request)
    except (BadInput, web.HTTPRequestEntityTooLarge) as error:
        if not wants_page(request):
            raise
        too_large = isinstance(error, web.HTTPRequestEntityTooLarge)
        words = TOO_LARGE if too_large else NO_FILE
        status = 413 if too_large else 422
        return page(request, "check.html", status=status, report=None, unreadable=None, package=None, refused=words)
    readable = said.get("readable", True)
    if not wants_page(request):
        return web.json_response(said, status=200 if readable else 422)
    if not readable:
        slow = took_too_long(said)
        return page(request, "check.html", report=None, unreadable=said, slow=slow, package=None, refused=None)
    package = said if said.get("kind") == "evidence-package" else None
    report = said.get("document") if package else said
    checked_at = request.app[HUB].services.clock().isoformat(timespec="seconds")
    shown: dict[str, Any] = {"local": local_time, "share": covered_share, "checked_at": checked_at, "refused": None}
    return page(request, "check.html", report=report, unreadable=None, package=package, **shown)


def local_time(moment: str) -> str:
    """Return a moment (ISO 8601 with zone) in the time of China, with the offset."""
    return f"{datetime.fromisoformat(moment).astimezone(ZONE):%Y-%m-%d %H:%M:%S} (UTC+8)"


def covered_share(parts: Sequence[Sequence[int]], size: int) -> float:
    """Return the share of a file that these parts cover, in percent."""
    return 100 * sum(end - start for start, end in parts) / size if size else 0.0
