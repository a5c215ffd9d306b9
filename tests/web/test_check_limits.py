"""The check page while others keep it busy: slow uploads, expensive files, full disks. Everybody else is answered."""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Awaitable
from io import BytesIO

import pytest
import pytest_asyncio
from aiohttp import FormData

from bench.simulated.attackers import Target, drip, page_bomb
from hub.errors import ManyChecks, ManyFiles
from hub.web.file_checks import TOO_LITTLE_TIME
from hub.web.http import upload_limits
from hub.web.http.upload_limits import (
    MAX_BYTES,
    MAX_BYTES_OF_ONE,
    MAX_FILE_BYTES,
    MAX_FILES,
    MAX_FILES_OF_THIS_MACHINE,
    MAX_WAITING,
    UploadLimits,
)
from qianda.verify.pdf.drawn_parts import MAX_CONTENT_SEPARATORS
from tests.running import Running, running_hub
from tests.signing_parts import finished_contract
from tests.verify.sample_page import packed, written
from tests.web.guardian_beside import Figures, Guardian, guardian_at

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Seconds that a busy machine may take for what has to happen at once.
BUSY = 240.0
DRIPPING, SOMEBODY = "203.0.113.1", "203.0.113.2"
DRIPS = 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with running_hub() as hub:
        yield hub


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guardian(running: Running) -> AsyncIterator[Guardian]:
    async with guardian_at(running) as beside:
        yield beside


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def genuine(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (await finished_contract(tmp_path_factory.mktemp("contract"))).final


async def checked(running: Running, file: bytes, address: str | None) -> int:
    """Check a file. Return the status. `address`: the client that a proxy names; None if it names none."""
    headers = {"Content-Type": "application/pdf"} | ({"X-Forwarded-For": address} if address else {})
    while True:
        async with running.http.post(f"{running.origin}/verify", data=BytesIO(file), headers=headers) as answer:
            said = await answer.text()
        if TOO_LITTLE_TIME not in said:  # this machine is busy with something else
            return answer.status


@pytest.mark.real
async def test_uploads_in_drips_keep_nobody_else_out(
    running: Running, guardian: Guardian, genuine: bytes, figures: Figures
) -> None:
    """Of slow uploads from one address, some are told to come later, and the others are ended. Everybody else is
    answered."""
    target, begun, others = Target.at(running.origin), time.perf_counter(), list[float]()
    async with asyncio.timeout(BUSY), guardian.asking() as beside:
        drips = {asyncio.create_task(drip(target, DRIPPING)) for _ in range(DRIPS)}
        refused: set[asyncio.Task[int | None]] = set()
        while len(refused) < DRIPS - MAX_FILES:
            ended, _ = await asyncio.wait(drips - refused, return_when=asyncio.FIRST_COMPLETED)
            refused |= ended
            assert {task.result() for task in refused} == {429}
        refused_s = time.perf_counter() - begun
        for address in (SOMEBODY, None, "2001:db8::1"):
            status, seconds = await timed(checked(running, genuine, address))
            assert status == 200
            others.append(seconds)
        answers = await asyncio.gather(*drips)
        ended_s = time.perf_counter() - begun
    assert sorted(map(str, answers)) == ["408"] * MAX_FILES + ["429"] * (DRIPS - MAX_FILES)
    assert await checked(running, genuine, DRIPPING) == 200
    figures(
        drips=DRIPS,
        places_taken=answers.count(408),
        refused_s=refused_s,
        ended_s=ended_s,
        others_checked_s=max(others),
        **beside.figures,
    )


async def test_who_comes_from_this_machine_is_bounded_as_well(running: Running, genuine: bytes) -> None:
    """A local proxy that names no client stands for all visitors: it has more places than one address, but not all."""
    with contextlib.ExitStack() as stack:
        limits = UploadLimits()
        for _ in range(MAX_FILES_OF_THIS_MACHINE):
            stack.enter_context(limits.upload(None))
        with pytest.raises(ManyFiles), limits.upload(None):
            pass
        with limits.upload(SOMEBODY):
            pass


async def test_an_address_with_dear_files_waits_for_itself() -> None:
    limits, ended, order = UploadLimits(), asyncio.Event(), list[str]()

    async def check(address: str) -> None:
        with limits.upload(address) as upload:
            async with upload.turn():
                order.append(address)
                if address == "dear":
                    await ended.wait()

    async with asyncio.timeout(BUSY), asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(check("dear"))
        await tasks.create_task(check("cheap"))
        assert order == ["dear", "cheap"]
        ended.set()
    assert order == ["dear", "cheap", "dear", "dear"]
    assert (limits.waiting, limits.size) == (0, 0)


async def test_only_so_many_wait_for_a_check() -> None:
    limits, ended = UploadLimits(), asyncio.Event()

    async def check(address: str) -> None:
        with limits.upload(address) as upload:
            async with upload.turn():
                await ended.wait()

    async with asyncio.timeout(BUSY), asyncio.TaskGroup() as tasks:
        for number in range(MAX_WAITING + upload_limits.MAX_CHECKS):
            tasks.create_task(check(f"{number}"))
        while limits.waiting < MAX_WAITING:
            await asyncio.sleep(0)
        with pytest.raises(ManyChecks):
            await check("one more")
        ended.set()


async def test_the_disk_is_bounded_for_one_and_for_all() -> None:
    limits = UploadLimits()
    with contextlib.ExitStack() as stack:
        uploads = [stack.enter_context(limits.upload("one")) for _ in range(3)]
        for upload in uploads[: MAX_BYTES_OF_ONE // MAX_FILE_BYTES]:
            upload.store(MAX_FILE_BYTES)
        with pytest.raises(ManyFiles):
            uploads[-1].store(1)
        for number in range((MAX_BYTES - MAX_BYTES_OF_ONE) // MAX_FILE_BYTES):
            stack.enter_context(limits.upload(f"{number}")).store(MAX_FILE_BYTES)
        with pytest.raises(ManyChecks):
            stack.enter_context(limits.upload("last")).store(1)
        assert limits.size == MAX_BYTES
    assert limits.size == 0


async def test_a_file_that_is_dear_to_check_is_given_up(
    running: Running, guardian: Guardian, genuine: bytes, figures: Figures
) -> None:
    await bombed(running, guardian, genuine, figures, page_bomb(20_000))


@pytest.mark.real
async def test_the_largest_page_bomb_is_refused(
    running: Running, guardian: Guardian, genuine: bytes, figures: Figures
) -> None:
    """18 MB, 190,000 pages: more than the hub checks. Its time is printed, as it depends on the machine."""
    file = page_bomb()
    assert 18e6 < len(file) <= MAX_FILE_BYTES
    await bombed(running, guardian, genuine, figures, file)


@pytest.mark.real
async def test_the_page_says_how_to_check_what_takes_longer(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing of the largest size that is looked at takes longer than the page may compute."""
    monkeypatch.setattr("hub.web.file_checks.CPU_LIMIT", 1.0)
    drawing = written(packed(b"/Filter /FlateDecode", zlib.compress(b"S\n" * (MAX_CONTENT_SEPARATORS - 100))))
    headers = {"Content-Type": "application/pdf", "Accept": "text/html", "Accept-Language": "en"}
    said = []
    for file in (drawing, b"%PDF-"):
        async with running.http.post(f"{running.origin}/verify", data=BytesIO(file), headers=headers) as answer:
            said.append(await answer.text())
    assert "did not end within 1 seconds" in said[0] and "qianda verify FILE --trust FOLDER" in said[0]
    assert ["could not be read" in each for each in said] == [False, True]
    assert "--trust FOLDER" not in said[1]


async def bombed(running: Running, guardian: Guardian, genuine: bytes, figures: Figures, file: bytes) -> None:
    """Expect that this file is refused, and that meanwhile another file is checked and the guardian is answered."""
    async with asyncio.timeout(BUSY), guardian.asking() as beside:
        bomb = asyncio.create_task(timed(checked(running, file, DRIPPING)))
        status, others_checked_s = await timed(checked(running, genuine, SOMEBODY))
        refusal, refused_s = await bomb
    assert (status, refusal) == (200, 422)
    figures(megabytes=len(file) / 1e6, refused_s=refused_s, others_checked_s=others_checked_s, **beside.figures)


async def timed(answered: Awaitable[int]) -> tuple[int, float]:
    """Return the status, and how many seconds it took."""
    begun = time.perf_counter()
    return await answered, time.perf_counter() - begun


@pytest.mark.parametrize(
    ("file", "status", "words"),
    [(b"", 422, "请选择一个不为空的文件"), (b"%PDF" + bytes(MAX_FILE_BYTES), 413, "上传的内容超过 20 MB")],
    ids=["empty", "large"],
)
async def test_a_person_reads_why_a_file_was_not_taken_and_can_choose_another(
    running: Running, file: bytes, status: int, words: str
) -> None:
    form = FormData()
    form.add_field("file", BytesIO(file), filename="contract.pdf")
    headers = {"Accept": "text/html", "Accept-Language": "zh"}
    async with running.http.post(f"{running.origin}/verify", data=form, headers=headers) as answer:
        page = await answer.text()
        assert answer.status == status
    assert words in page and 'type="file"' in page
