"""Check uploaded files for the page `/verify` and the API, each in a child process with limits.

The answer lists the checked elements in the words of the verifier. `qianda verify` does the same offline.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from hub.errors import BadInput, ManyChecks
from hub.web.http.app_keys import HUB, RATE_LIMITS
from hub.web.http.upload_limits import MAX_CHECKS, MAX_FILE_BYTES, RETRY_AFTER, Upload, UploadLimits
from hub.wiring import Hub
from qianda.evidence.pair import call_for_pair, order_pair
from qianda.verify.expectation import Expectation
from qianda.verify.findings import UnreadableDocument
from qianda.verify.guard import PACKAGE_SUFFIXES, CheckCall, call_for_package, check_guarded, is_package, verify_guarded
from qianda.verify.reasons import TOO_SLOW
from qianda.verify.report import as_json, unreadable_json
from qianda.verify.trust import list_trust_files

MAX_BODY_BYTES = MAX_FILE_BYTES + (1 << 20)  # with the envelope of a form
MAX_PARTS = 10
# A package, and the file or addendum that is checked together with it.
MAX_TOGETHER = 2
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
            paths = (Path(folder) / "file", Path(folder) / "beside")
            names = await _received(request, paths, upload)
            async with upload.turn():
                if request.transport is None:
                    raise ConnectionResetError  # the client left while waiting
                return await self._judge(
                    trust_files(request.app[HUB]), dict(zip(map(_with_ending, paths, names), names, strict=True))
                )

    async def _judge(self, trusted: list[Path], names: dict[Path, str]) -> dict[str, Any]:
        """Check the received files, one or two, given with their names."""
        paths = list(names)
        try:
            if len(paths) == MAX_TOGETHER:
                package, beside = await asyncio.to_thread(order_pair, (paths[0], paths[1]))
                call = await asyncio.to_thread(call_for_pair, (package, beside), trusted, Expectation())
                said = await self._package(call)
                return said | {"file": names[package], "together_with": names[beside]}
            if await asyncio.to_thread(is_package, paths[0]):
                said = await self._package(call_for_package(paths[0], trusted))
            else:
                said = await self._document(paths[0], trusted)
            return said | {"file": names[paths[0]]}
        except UnreadableDocument as error:
            return unreadable_json(names[paths[0]], error.reason)
        except TimeoutError as error:  # this says nothing about the file
            raise ManyChecks(TOO_LITTLE_TIME, retry_after=RETRY_AFTER) from error

    async def _document(self, path: Path, trusted: list[Path]) -> dict[str, Any]:
        check = partial(verify_guarded, path, trusted, cpu_seconds=CPU_LIMIT, wait_seconds=WAIT_TIMEOUT)
        return as_json(await asyncio.get_running_loop().run_in_executor(self._threads, check))

    async def _package(self, call: CheckCall) -> dict[str, Any]:
        from qianda.evidence.package_report import as_json as package_json  # loads what only packages need

        check = partial(check_guarded, call, cpu_seconds=CPU_LIMIT, wait_seconds=WAIT_TIMEOUT)
        return package_json(await asyncio.get_running_loop().run_in_executor(self._threads, check))


def _with_ending(path: Path, name: str) -> Path:
    """Give a received file the ending of its name by which `qianda verify`, too, takes it for a package."""
    ending = Path(name).suffix.lower()
    return path.rename(path.with_suffix(ending)) if ending in PACKAGE_SUFFIXES else path


CHECKS = web.AppKey("checks", FileChecks)


def took_too_long(said: dict[str, Any]) -> bool:
    """Return whether this report says that the CPU time of a check was used up, which says nothing about the file."""
    reason = TOO_SLOW.about(seconds=round(CPU_LIMIT))
    return bool(said.get("reason") == {"zh": reason.zh, "en": reason.en})


def trust_files(hub: Hub) -> list[Path]:
    """Return the certificate files of the authorities that this installation trusts, including the built-in one."""
    return list_trust_files(hub.settings.data / "trust")


async def _received(request: web.Request, paths: Sequence[Path], upload: Upload) -> list[str]:
    """Write the files of a request to `paths`, and return their names. Raises BadInput, UploadTooSlow."""
    try:
        async with upload.in_time():
            return await _receive(request, paths, upload)
    except (ValueError, HttpProcessingError) as error:  # from aiohttp: no boundary, no end, or headers of a part
        raise BadInput("the form cannot be read", field="file") from error


async def _receive(request: web.Request, paths: Sequence[Path], upload: Upload) -> list[str]:
    """Receive the parts `file` of a form, or the whole body. Raises BadInput if there is no file, or too many."""
    if request.content_type != "multipart/form-data":
        await _write(paths[0], _body(request, upload), upload)
        return [""]
    names: list[str] = []
    parts = await request.multipart()
    for _ in range(MAX_PARTS):
        part = await parts.next()
        if not isinstance(part, BodyPartReader):
            break
        if part.name == "file" and part.filename:
            if len(names) == len(paths):
                raise BadInput("choose one file, or two that belong together", field="file")
            await _write(paths[len(names)], _chunks(request, part, upload), upload)
            names.append(part.filename[:200])
            continue
        async for _skipped in _chunks(request, part, upload):
            pass
    if not names:
        raise BadInput("choose a PDF or OFD file", field="file")
    return names


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
    """Write one file. The limit of size applies to all files of an upload together."""
    before = upload.size
    with path.open("wb") as file:
        async for chunk in chunks:
            if upload.size + len(chunk) > MAX_FILE_BYTES:
                raise web.HTTPRequestEntityTooLarge(MAX_FILE_BYTES, upload.size + len(chunk))
            upload.store(len(chunk))
            file.write(chunk)
    if upload.size == before:
        raise BadInput("the file is empty", field="file")
