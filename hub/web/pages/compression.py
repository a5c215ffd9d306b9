"""Compress (gzip) static files, pages without personal data, and pages that were requested from our own pages.

If a compressed answer contains both a secret and text that a stranger chose, its length reveals something about the
secret (BREACH). For this the stranger has to make the browser send many requests. So a page with personal data is
compressed only if the browser says that the request came from our own site or from its user (Sec-Fetch-Site, which no
page can set), and only if its query cannot carry text that somebody chose: another site may have led to the page from
which it was requested, and pages reflect their query (the links to other languages have all of it, the board shows `q`
and `course`). So a filtered board, and the part of a page that our own script requests again and again, are sent
uncompressed.
"""

from __future__ import annotations

import gzip
import re
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.typedefs import Handler

ENCODING = "gzip"
# For files of this size, the result of level 6 is within one percent of that of level 9.
LEVEL = 6
TEXT_FILES = {".css", ".js", ".svg"}
OWN_REQUESTS = ("same-origin", "none")
# Values in a query that cannot carry a guess: a language is one of two, and the id of a contract that the session does
# not have leads to an error.
_LANGUAGE, _CONTRACT = re.compile("zh|en"), re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SIGNERS_PAGES = "/sign/"
# Bytes. A shorter page fits into two packets without compression.
MIN_PAGE_BYTES = 2800


def takes_gzip(request: web.Request) -> bool:
    """Return whether the client accepts gzip (RFC 9110 12.5.3)."""
    codings = [part.strip().lower() for part in request.headers.get("Accept-Encoding", "")[:200].split(",")]
    named = {name.strip(): weight.strip() for name, _, weight in (coding.partition(";") for coding in codings)}
    return ENCODING in named and named[ENCODING] not in ("q=0", "q=0.0", "q=0.00", "q=0.000")


def pack(body: bytes) -> bytes:
    """Compress a body. The same body always gives the same bytes."""
    return gzip.compress(body, LEVEL, mtime=0)


@web.middleware
async def compress(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress static text files while they are sent, and pages that were requested from our own pages."""
    response = await handler(request)
    if isinstance(response, web.FileResponse) and PurePosixPath(request.path).suffix in TEXT_FILES:
        response.headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request) and _is_whole(request):
            response.enable_compression(web.ContentCoding.gzip)
    elif isinstance(response, web.Response) and _is_large_page(response):
        response.headers["Vary"] = "Accept-Encoding, Sec-Fetch-Site"
        came_from = request.headers.get("Sec-Fetch-Site") if _is_query_closed(request) else ""
        if request.method == "GET" and came_from in OWN_REQUESTS and takes_gzip(request):
            response.enable_compression(web.ContentCoding.gzip)
    return response


def _is_query_closed(request: web.Request) -> bool:
    """Return whether a query has only values with which nobody could guess a secret."""
    forms = {"lang": _LANGUAGE} | ({"id": _CONTRACT} if request.path.startswith(SIGNERS_PAGES) else {})
    return all(name in forms and forms[name].fullmatch(value) for name, value in request.query.items())


def _is_large_page(response: web.Response) -> bool:
    is_plain = response.content_type == "text/html" and "Content-Encoding" not in response.headers
    return is_plain and isinstance(response.body, bytes) and len(response.body) >= MIN_PAGE_BYTES


def _is_whole(request: web.Request) -> bool:
    """Return whether the answer contains the whole file. For HEAD and 304, which must not have a body, aiohttp would
    write an empty gzip file."""
    return request.method == "GET" and not request.headers.keys() & {"Range", "If-None-Match", "If-Modified-Since"}
