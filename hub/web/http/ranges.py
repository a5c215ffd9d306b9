"""Answer with a file, or with its rest to a client that already holds the beginning (RFC 9110 14)."""

from __future__ import annotations

import re

from aiohttp import web

_REST = re.compile(r"bytes=([0-9]{1,18})-", re.IGNORECASE)


def file_answer(request: web.Request, content: bytes, content_type: str) -> web.Response:
    """Return the file, or after `Range: bytes=N-` what follows its first N bytes (206); 416 if nothing follows.

    Other ranges get the whole file, which is always allowed (RFC 9110 14.2). So does If-Range, because the file has no
    validator with which it could be compared (13.1.5).
    """
    headers, size = {"Accept-Ranges": "bytes"}, len(content)
    rest = _REST.fullmatch(request.headers.get("Range", ""))
    if rest is None or request.method != "GET" or "If-Range" in request.headers:
        return web.Response(body=content, content_type=content_type, headers=headers)
    start = int(rest[1])
    if start >= size:
        return web.Response(status=416, headers=headers | {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return web.Response(status=206, body=content[start:], content_type=content_type, headers=headers)
