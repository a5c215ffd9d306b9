"""Answer with a file to keep, or with a ZIP that is made while it is sent; put a picture into a page."""

from __future__ import annotations

import base64
import io
import re
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile

from aiohttp import web

PDF, OFD, PACKAGE = "application/pdf", "application/ofd", "application/vnd.etsi.asic-e+zip"
_PLAIN_NAME = re.compile("[A-Za-z0-9._-]+")


def download(content: bytes, name: str, content_type: str) -> web.Response:
    """Return a file that the browser stores under this name (RFC 6266, RFC 8187)."""
    named = f'filename="{name}"' if _PLAIN_NAME.fullmatch(name) else f"filename*=UTF-8''{quote(name)}"
    headers = {"Content-Disposition": f"attachment; {named}"}
    return web.Response(body=content, content_type=content_type, headers=headers)


class ZipSink(io.RawIOBase):
    """The output of a ZIP file that is made while it is sent. It cannot seek, and keeps only the bytes that were not
    taken yet."""

    def __init__(self) -> None:
        self._written = bytearray()

    def open(self) -> ZipFile:
        """Return the ZIP file, whose members are only stored, not compressed."""
        return ZipFile(self, "w", ZIP_STORED)

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def data_url(content: bytes, content_type: str) -> str:
    """Return a picture as a data URL. It is a part of the page, so it has no address that others could open."""
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"
