"""Answer with a file to keep, and put a picture into a page."""

from __future__ import annotations

import base64
from urllib.parse import quote

from aiohttp import web


def download(content: bytes, name: str, content_type: str) -> web.Response:
    """Return a file that the browser stores under this name (RFC 6266, RFC 8187)."""
    named = f'filename="{name}"' if name.isascii() else f"filename*=UTF-8''{quote(name)}"
    headers = {"Content-Disposition": f"attachment; {named}"}
    return web.Response(body=content, content_type=content_type, headers=headers)


def data_url(content: bytes, content_type: str) -> str:
    """Return a picture as a part of the page, so that there is no second request, and no address that others could
    open."""
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"
