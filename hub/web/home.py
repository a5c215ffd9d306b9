"""Serve the home page, pages that explain error codes, and files that associate the school's app with this host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from hub.errors import NotFound
from hub.web.http.app_keys import HUB
from hub.web.http.problems import known_problems
from hub.web.pages.logo import LOGO
from hub.web.pages.render import page

A_DAY = "public, max-age=86400"


def routes(_hub: object) -> Iterable[web.AbstractRouteDef]:
    return [
        web.get("/", home),
        web.get("/favicon.ico", favicon),
        web.get("/problems", problems),
        web.get("/problems/{code}", problem),
        web.get("/.well-known/apple-app-site-association", apple_association),
        web.get("/.well-known/assetlinks.json", asset_links),
        web.get("/.well-known/applinking.json", app_linking),
    ]


async def home(request: web.Request) -> web.Response:
    return page(request, "home.html")


async def favicon(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.app[LOGO])


async def problems(request: web.Request) -> web.Response:
    """List all error codes."""
    return page(request, "problem_types.html", problems=known_problems().values())


async def problem(request: web.Request) -> web.Response:
    """Explain an error code at `/problems/<code>`, the `type` of problem answers."""
    found = known_problems().get(request.match_info["code"])
    if found is None:
        raise NotFound
    return page(request, "problem_type.html", problem=found)


async def apple_association(request: web.Request) -> web.Response:
    return _for_a_day(request.app[HUB].app_link.apple_association())


async def asset_links(request: web.Request) -> web.Response:
    return _for_a_day(request.app[HUB].app_link.asset_links())


async def app_linking(request: web.Request) -> web.Response:
    return _for_a_day(request.app[HUB].app_link.app_linking())


def _for_a_day(body: Any) -> web.Response:
    return web.json_response(body, headers={"Cache-Control": A_DAY})
