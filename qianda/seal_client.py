"""Have files sealed by a hub: send them, wait, and fetch the results (needs the extra `client`).

The key of a request is computed from the files and the options, so repeating a call after a crash continues the same
job, and nothing is sealed twice.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp

# The most files in one request.
MAX_FILES: Final = 200
MAX_BYTES: Final = 500 << 20
CHUNK_BYTES: Final = 1 << 20
FIRST_PAUSE: Final = 0.2
MAX_PAUSE: Final = 2.0
# Seconds without a byte after which the hub counts as unreachable.
READ_TIMEOUT: Final = 120.0
ITEMS_AT_A_TIME: Final = 500


class SealProblem(Exception):
    """The hub refuses, or the server is not a hub. The message is the server's."""


@dataclass(frozen=True)
class SealOptions:
    """The options for all files. `seal`: the seal's name; empty for the configured one."""

    place: str
    level: str = "plain"
    seal: str = ""

    @property
    def fields(self) -> dict[str, str]:
        return {"place": self.place, "level": self.level} | ({"seal": self.seal} if self.seal else {})


@dataclass(frozen=True)
class SealedResult:
    """The result for a file. `target`: the sealed file; None if it failed, and then `reason` says why, in English and
    Chinese."""

    file: Path
    target: Path | None
    reason: tuple[str, str] = ("", "")


class SealingClient:
    """A client of one hub. `on_progress` is called with the number of finished files whenever it changes."""

    def __init__(self, server: str, key: str, on_progress: Callable[[int], None] = lambda _: None) -> None:
        self._url = f"{server.rstrip('/')}/api/v1/seal-jobs"
        self._headers = {"Authorization": f"Bearer {key}"}
        self._on_progress = on_progress

    async def seal(
        self, files: Sequence[Path], options: SealOptions, folder: Path, *, again: bool = False
    ) -> AsyncIterator[SealedResult]:
        """Yield the result of each file. Sealed files are in `folder` under their names. `again`: resend, in a new job,
        the files that failed in an earlier job for the same call. Raises SealProblem, OSError, aiohttp.ClientError,
        TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=READ_TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as http:
            done = 0
            for some in batches(files):
                job = await self._begin(http, some, options, await asyncio.to_thread(request_key, some, options))
                await self._wait(http, job, done)
                failed = []
                async for result in self._results(http, job, some, folder):
                    if again and result.target is None:
                        failed.append(result.file)
                    else:
                        yield result
                if failed:
                    job = await self._begin(http, failed, options, f"qianda-seal-again-{uuid4()}")
                    await self._wait(http, job, done + len(some) - len(failed))
                    async for result in self._results(http, job, failed, folder):
                        yield result
                done += len(some)

    async def _begin(self, http: aiohttp.ClientSession, files: Sequence[Path], options: SealOptions, key: str) -> str:
        with ExitStack() as opened:
            form = aiohttp.FormData(quote_fields=False)
            for name, value in options.fields.items():
                form.add_field(name, value)
            for path in files:
                form.add_field("file", opened.enter_context(path.open("rb")), filename=path.name)
            async with http.post(self._url, data=form, headers={"Idempotency-Key": key}) as answer:
                return str((await _json(answer))["id"])

    async def _wait(self, http: aiohttp.ClientSession, job: str, done: int) -> None:
        pause = FIRST_PAUSE
        while True:
            async with http.get(f"{self._url}/{job}") as answer:
                state = await _json(answer)
            self._on_progress(done + state["sealed"] + state["failed"])
            if state["ended_at"]:
                return
            await asyncio.sleep(pause)
            pause = min(MAX_PAUSE, pause * 1.5)

    async def _results(
        self, http: aiohttp.ClientSession, job: str, files: Sequence[Path], folder: Path
    ) -> AsyncIterator[SealedResult]:
        after: int | None = 0
        while after is not None:
            async with http.get(f"{self._url}/{job}/items?after={after}&limit={ITEMS_AT_A_TIME}") as answer:
                page = await _json(answer)
            for item in page["items"]:
                file = files[item["number"] - 1]
                if item["state"] != "sealed":
                    english, chinese = item["fault_en"] or item["state"], item["fault_zh"] or item["state"]
                    detail = f" ({item['detail']})" if item["detail"] else ""
                    yield SealedResult(file, None, (english + detail, chinese + detail))
                    continue
                target = _free_name(folder, file.name)
                await _fetch(http, f"{self._url}/{job}/items/{item['number']}/file", target, item["sha256"])
                yield SealedResult(file, target)
            after = page["next"]


def batches(files: Sequence[Path]) -> list[list[Path]]:
    """Return the files in batches that fit into one request."""
    found: list[list[Path]] = []
    size = 0
    for path in files:
        own = path.stat().st_size
        if not found or len(found[-1]) >= MAX_FILES or size + own > MAX_BYTES:
            found.append([])
            size = 0
        found[-1].append(path)
        size += own
    return found


def request_key(files: Sequence[Path], options: SealOptions) -> str:
    """Return the key of a request: the same for the same files and options."""
    hashed = hashlib.sha256(repr(sorted(options.fields.items())).encode())
    for path in files:
        with path.open("rb") as file:
            hashed.update(f"\n{path.name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return f"qianda-seal-{hashed.hexdigest()}"


async def _fetch(http: aiohttp.ClientSession, url: str, target: Path, sha256: str) -> None:
    """Write a result. It gets its name only when it is complete."""
    fresh, hashed = target.with_name(f".{target.name}.part"), hashlib.sha256()
    async with http.get(url) as answer:
        if answer.status != 200:
            await _json(answer)
        with fresh.open("wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                hashed.update(chunk)
                file.write(chunk)
    if hashed.hexdigest() != sha256:
        fresh.unlink()
        raise SealProblem(f"{target.name}: what arrived is not what was sealed")
    fresh.replace(target)


def _free_name(folder: Path, name: str) -> Path:
    """Return an unused path in the folder."""
    target, number = folder / name, 2
    while target.exists():
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
        number += 1
    return target


async def _json(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """Return the answer. Raises SealProblem with the hub's message."""
    try:
        said: dict[str, Any] = await answer.json(content_type=None)
    except ValueError as error:
        raise SealProblem(f"{answer.url.host} answers {answer.status}, but not as a hub does") from error
    if answer.status >= 400:
        words = [str(said.get(name, "")) for name in ("title", "detail", "field")]
        raise SealProblem(" · ".join(filter(None, words)) or str(answer.status))
    return said
