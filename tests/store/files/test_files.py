"""Files are named by their hash. A file that is missing or was changed is not returned."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from hub.errors import FilesUnavailable, UnreadableFile
from hub.store.files.content_addressed import FilePart, Files
from tests.running import until

# More than there are threads for other work, whatever machine this is.
MANY_READS = 40


async def test_what_was_put_is_got_and_the_same_content_is_one_file(tmp_path: Path) -> None:
    files = Files.at(str(tmp_path / "files"))
    names = await asyncio.gather(*(files.put(b"content") for _ in range(5)))
    assert set(names) == {hashlib.sha256(b"content").hexdigest()}
    assert await files.get(names[0]) == b"content"
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


async def test_a_missing_or_changed_file_is_refused(tmp_path: Path) -> None:
    files = Files.at(str(tmp_path / "files"))
    with pytest.raises(UnreadableFile, match="missing"):
        await files.get("0" * 64)
    name = await files.put(b"content")
    (tmp_path / "files" / name[:2] / name).write_bytes(b"Content")
    with pytest.raises(UnreadableFile, match="changed"):
        await files.get(name)


async def test_an_old_file_that_was_stored_again_meanwhile_is_not_deleted(tmp_path: Path) -> None:
    files = Files.at(str(tmp_path / "files"))
    name = await files.put(b"content")
    path, begun = tmp_path / "files" / name[:2] / name, time.time()
    os.utime(path, (begun - 3600, begun - 3600))
    before = datetime.fromtimestamp(begun - 60, UTC)
    ((found,),) = [each async for each in files.list_old(name[:2], before)]
    await files.put(b"content")
    assert not await files.delete_found(found.path, before) and await files.get(name) == b"content"
    os.utime(path, (begun - 3600, begun - 3600))
    assert await files.delete_found(found.path, before) and not path.exists()


async def test_a_disk_that_hangs_keeps_no_other_work_waiting(tmp_path: Path) -> None:
    files = Files.at(str(tmp_path))
    name = await files.put(b"")
    hanging = tmp_path / name[:2] / name
    hanging.unlink()
    os.mkfifo(hanging)  # a read waits until somebody writes
    reads = [asyncio.create_task(files.get(name)) for _ in range(MANY_READS)]
    await asyncio.sleep(0)

    async def all_are_read() -> bool:
        with contextlib.suppress(OSError):
            os.close(os.open(hanging, os.O_WRONLY | os.O_NONBLOCK))
        return all(read.done() for read in reads)

    try:
        assert await asyncio.wait_for(asyncio.to_thread(str.upper, "page"), 20) == "PAGE"
        assert not any(read.done() for read in reads)
    finally:
        await until(all_are_read)
    assert {read.result() for read in reads} == {b""}


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Return files in an object store that nobody serves."""
    return object_store_at(monkeypatch, "http://127.0.0.1:9")


def object_store_at(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> Files:
    for name, value in {"ENDPOINT": endpoint, "ALLOW_HTTP": "true", "REGION": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "x")
    return Files.at("s3://bucket")


async def test_a_store_that_does_not_answer_is_away_and_not_broken(away: Files) -> None:
    name = "0" * 64
    reads = (away.get(name), away.get_part(FilePart(name, 1, "1" * 64)), away.get_size(name))
    for work in (away.put(b"content"), *reads, anext(away.list_old("00", datetime.now(UTC)))):
        with pytest.raises(FilesUnavailable):
            await work


async def test_a_missing_bucket_takes_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async with TestServer(web.Application()) as server:  # answers 404 to everything
        files = object_store_at(monkeypatch, f"http://127.0.0.1:{server.port}")
        with pytest.raises(FilesUnavailable):
            await files.put(b"content")
        assert await files.get_size("0" * 64) == 0


async def test_a_file_that_cannot_be_read_or_written_is_away(tmp_path: Path) -> None:
    files = Files.at(str(tmp_path))
    name = hashlib.sha256(b"content").hexdigest()
    (tmp_path / name[:2] / name).mkdir(parents=True)
    for work in (files.put(b"content"), files.get(name)):
        with pytest.raises(FilesUnavailable):
            await work


async def test_an_erasure_is_told_that_a_file_stays(away: Files, tmp_path: Path) -> None:
    with pytest.raises(FilesUnavailable, match="could not be deleted"):
        await away.erase("0" * 64)
    files = Files.at(str(tmp_path))
    name = await files.put(b"content")
    for _ in range(2):
        await files.erase(name)
    assert not (tmp_path / name[:2] / name).exists()
