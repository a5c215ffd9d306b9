"""Which routes of the hub are pages: all that answer a GET, but for those listed here as something else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from aiohttp import web

# What begins so is for programs.
PROGRAMS = ("/api/", "/sign/v1/", "/agent/", "/callbacks/", "/static", "/.well-known/", "/authority/")
# Files and redirects, by their last part or their whole path.
FILES = (".pdf", ".ofd", ".png", ".xlsx", ".zip", ".crt", ".csr", ".toml", ".json", ".svg", ".ico", ".webp")
NO_PAGES = {
    "/healthz": "text for a load balancer",
    "/readyz": "JSON for a load balancer",
    "/metrics": "text for Prometheus",
    "/demo/clock": "JSON",
    "/staff/": "leads to /staff",
    "/staff/login/provider": "leads to the school's own login service",
    "/staff/login/provider/back": "leads on from there",
    "/staff/seals/{seal}/register/export": "a file",
    "/staff/reports/table": "a file",
    "/staff/changes": "a stream of events",
    "/staff/contracts/{id}/attachments/{attachment}": "a file",
    "/setup": "leads to the first page",
    "/S": "as /s",
    "/S/{ticket}": "as /s/{ticket}",
    "/P/{poster}": "as /p/{poster}",
}


def page_routes(app: web.Application) -> set[str]:
    """Return the routes that show a page, as the route table writes them: `/staff/contracts/{id}`."""
    routes = {each.resource.canonical for each in app.router.routes() if each.method == "GET" and each.resource}
    return {each for each in routes if not _is_no_page(each)}


def _is_no_page(route: str) -> bool:
    return route in NO_PAGES or route.startswith(PROGRAMS) or route.endswith(FILES)


def route_of(path: str, routes: Iterable[str]) -> str:
    """Return the route that answers a path; those without a place for values come first."""
    for route in sorted(routes, key=lambda each: each.count("{")):
        if re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(route)), path):
            return route
    return ""
