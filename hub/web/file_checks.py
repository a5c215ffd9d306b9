"""Check uploaded files for the page `/verify` and the API, each in a child process with limits.

The answer lists the checked elements in the words of the verifier. `qianda verify` does the same offline.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from hub.errors import BadInput, ManyChecks
from hub.web.app_keys import HUB, RATE_LIMITS
from hub.web.upload_limits import MAX_CHECKS, MAX_FILE_BYTES, RETRY_AFTER, Upload, UploadLimits
from hub.wiring import Hub
from qianda.verify.findings import UnreadableDocument
from qianda.verify.guard import call_for_package, check_guarded, is_package, verify_guarded
from qianda.verify.report import as_json, unreadable_json
from qianda.verify.trust import list_trust_files

MAX_BODY_BYTES = MAX_FILE_BYTES + (1 << 20)  # with the envelope of a form
MAX_PARTS = 10
TOO_LITTLE_TIME = "the check got too little time"
# Limits of one check: CPU time for the file, and wall time of its child process.
CPU_LIMIT, WAIT_TIMEOUT = 10.0, 50.0


class FileChecks:
    """All checks of this process, which share its limits."""

    def __init__(self) -> None:
        self._limits, self._threads = UploadLimits(), ThreadPoolExecutor(MAX_CHECKS, "check")

    async def check(self, request: web.Request) -> dict[str, Any]:
        """Receive the file of a request and check it. Return the report as JSON; `readable` is false for a file of
        another format. Raises BadInput, ManyFiles, ManyChecks, UploadTooSlow."""
        rate_limits = request.app[RATE_LIMITS]
        await rate_limits.slow_down(request, "check")
        with (
            self._limits.upload(rate_limits.address(request)) as upload,
            tempfile.TemporaryDirectory(prefix="qianda-check-") as folder,
        ):
            path = Path(folder) / "file"
            name = await _received(request, path, upload)
            async with upload.turn():
                if request.transport is None:
                    raise ConnectionResetError  # the client left while waiting
                return await self._judge(request, path, name)

    async def _judge(self, request: web.Request, path: Path, name: str) -> dict[str, Any]:
        trusted, check = trust_files(request.app[HUB]), self._document
        if await asyncio.to_thread(is_package, path):
            check = self._package
        try:
            return await check(path, trusted) | {"file": name}
        except UnreadableDocument as error:
            return unreadable_json(name, error.reason)
        except TimeoutError as error:  # this says nothing about the file
            raise ManyChecks(TOO_LITTLE_TIME, retry_after=RETRY_AFTER) from error

    async def _document(self, path: Path, trusted: list[Path]) -> dict[str, Any]:
        check = partial(verify_guarded, path, trusted, cpu_seconds=CPU_LIMIT, wait_seconds=WAIT_TIMEOUT)
        return as_json(await asyncio.get_running_loop().run_in_executor(self._threads, check))

    async def _package(self, path: Path, trusted: list[Path]) -> dict[str, Any]:
        from qianda.evidence.package_report import as_json as package_json  # loads what only packages need

        call = call_for_package(path, trusted)
        check = partial(check_guarded, call, cpu_seconds=CPU_LIMIT, wait_seconds=WAIT_TIMEOUT)
        return package_json(await asyncio.get_running_loop().run_in_executor(self._threads, check))


CHECKS = web.AppKey("checks", FileChecks)


def trust_files(hub: Hub) -> list[Path]:
    """Return the certificate files of the authorities that this installation trusts, including the built-in one."""
    return list_trust_files(hub.settings.data / "trust")


async def _received(request: web.Request, path: Path, upload: Upload) -> str:
    """Write the upload to `path` and return its file name. Raises BadInput, or UploadTooSlow for a slow upload."""
    try:
        async with upload.in_time():
            return await _receive(request, path, upload)
    except ValueError as error:  # from aiohttp: a form without boundary or end
        raise BadInput("the form cannot be read", field="file") from error


async def _receive(request: web.Request, path: Path, upload: Upload) -> str:
    """Receive the part `file` of a form, or the whole body. Raises BadInput if there is no file."""
    if request.content_type != "multipart/form-data":
        await _write(path, _body(request, upload), upload)
        return ""
    parts = await request.multipart()
    for _ in range(MAX_PARTS):
        part = await parts.next()
        if not isinstance(part, BodyPartReader):
            break
        if part.name == "file" and part.filename:
            await _write(path, _chunks(request, part, upload), upload)
            return part.filename[:200]
        async for _skipped in _chunks(request, part, upload):
            pass
    raise BadInput("choose a PDF or OFD file", field="file")


async def _body(request: web.Request, upload: Upload) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_chunked(1 << 16):
        upload.arrived(len(chunk))
        yield chunk


async def _chunks(request: web.Request, part: BodyPartReader, upload: Upload) -> AsyncIterator[bytes]:
    """Yield the chunks of a part. Skipped parts also count towards the limit, which applies to the whole body."""
    while chunk := await part.read_chunk(1 << 16):
        if request.content.total_bytes > MAX_BODY_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content.total_bytes)
        upload.arrived(len(chunk))
        yield chunk


async def _write(path: Path, chunks: AsyncIterator[bytes], upload: Upload) -> None:
    with path.open("wb") as file:
        async for chunk in chunks:
            if upload.size + len(chunk) > MAX_FILE_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_FILE_BYTES, upload.size + len(chunk))
            upload.store(len(chunk))
            file.write(chunk)
    if not upload.size:
        raise BadInput("the file is empty", field="file")
