"""Compress (gzip) answers that are the same for everybody: static files, and pages without personal data.

Other answers are not compressed: if a compressed answer contains both a secret and text that a stranger chose, its
length reveals something about the secret (BREACH).
"""

from __future__ import annotations

import gzip
from pathlib import PurePosixPath

from aiohttp import web
from aiohttp.typedefs import Handler

ENCODING = "gzip"
# For files of this size, the result of level 6 is within one percent of that of level 9.
LEVEL = 6
TEXT_FILES = {".css", ".js", ".svg"}


def takes_gzip(request: web.Request) -> bool:
    """Return whether the client accepts gzip (RFC 9110 12.5.3)."""
    codings = [part.strip().lower() for part in request.headers.get("Accept-Encoding", "")[:200].split(",")]
    named = {name.strip(): weight.strip() for name, _, weight in (coding.partition(";") for coding in codings)}
    return ENCODING in named and named[ENCODING] not in ("q=0", "q=0.0", "q=0.00", "q=0.000")


def pack(body: bytes) -> bytes:
    """Compress a body. The same body always gives the same bytes."""
    return gzip.compress(body, LEVEL, mtime=0)


@web.middleware
async def compressed(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress static text files while they are sent."""
    response = await handler(request)
    if isinstance(response, web.FileResponse) and PurePosixPath(request.path).suffix in TEXT_FILES:
        response.headers["Vary"] = "Accept-Encoding"
        if takes_gzip(request) and _is_whole(request):
            response.enable_compression(web.ContentCoding.gzip)
    return response


def _is_whole(request: web.Request) -> bool:
    """Return whether the answer contains the whole file. For HEAD and 304, which must not have a body, aiohttp would
    write an empty gzip file."""
    return request.method == "GET" and not request.headers.keys() & {"Range", "If-None-Match", "If-Modified-Since"}
