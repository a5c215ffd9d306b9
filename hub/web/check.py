"""The public check page `/verify`: anybody may have a finished contract checked, in a child process with limits.

The answer is element by element, in the words of the verifier; as JSON for whoever does not ask for a page. What can
be checked here can be checked without us: `qianda verify` does the same offline.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from hub.errors import BadInput
from hub.web.keys import BRAKES, HUB
from hub.web.pages import page
from hub.web.problems import wants_page
from hub.wiring import Hub
from qianda.verify.elements import Report
from qianda.verify.findings import UnreadablePdf
from qianda.verify.guard import verify_guarded
from qianda.verify.report import as_json, unreadable_json

LARGEST_FILE = 20 << 20
AT_ONCE = 2  # children; others wait for their turn


def routes(_hub: Hub) -> Iterable[web.AbstractRouteDef]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def check(request: web.Request) -> web.Response:
        await request.app[BRAKES].slow_down(request, "check")
        with tempfile.TemporaryDirectory(prefix="qianda-check-") as folder:
            path = Path(folder) / "file.pdf"
            name = await _receive(request, path)
            async with turns:
                return await _judge(request, path, name)

    return [web.get("/verify", form), web.post("/verify", check)]


async def form(request: web.Request) -> web.Response:
    return page(request, "check.html", report=None, unreadable=None)


async def _receive(request: web.Request, path: Path) -> str:
    """Write the upload to `path`: the part `file` of a form, or the body itself. Returns the sender's name for it."""
    if request.content_type != "multipart/form-data":
        await _write(path, request.content.iter_chunked(1 << 16))
        return ""
    form_parts = await request.multipart()
    async for part in form_parts:
        if isinstance(part, BodyPartReader) and part.name == "file" and part.filename:
            await _write(path, _chunks(part))
            return part.filename[:200]
    raise BadInput("choose a PDF file", field="file")


async def _chunks(part: BodyPartReader) -> Any:
    while chunk := await part.read_chunk(1 << 16):
        yield chunk


async def _write(path: Path, chunks: Any) -> None:
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > LARGEST_FILE:
                raise web.HTTPRequestEntityTooLarge(LARGEST_FILE, size)
            file.write(chunk)
    if not size:
        raise BadInput("the file is empty", field="file")


async def _judge(request: web.Request, path: Path, name: str) -> web.Response:
    trust = trust_files(request.app[HUB])
    try:
        report: Report | None = await asyncio.to_thread(verify_guarded, path, trust)
        said = as_json(report) | {"file": name} if report else {}
    except UnreadablePdf as error:
        report, said = None, unreadable_json(name, error.reason)
    if not wants_page(request):
        return web.json_response(said, status=200 if report else 422)
    return page(request, "check.html", report=said if report else None, unreadable=None if report else said)


def trust_files(hub: Hub) -> list[Path]:
    """The authorities that this installation trusts; its own built-in one is among them."""
    return sorted((hub.settings.data / "trust").glob("*.pem"))
