"""A stranger's file that takes long to be read delays those who wait for the same reader, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar

import aiohttp
import pytest
import pytest_asyncio

from hub.documents.contract.own_pdf import OwnPdfReader
from hub.documents.pages import PagePainter
from hub.documents.school import spreadsheet
from hub.documents.school.roster_columns import RosterHeader
from hub.documents.school.spreadsheet import MAX_OPEN_SHEETS, MAX_READERS, SpreadsheetReader
from hub.documents.sealing.seal_upload import PictureReader
from hub.documents.signing.attachment_upload import AttachmentReader
from hub.errors import ManyChecks, UnreadableFile
from hub.lifecycle.contract.lay_out import keep_own_document
from hub.lifecycle.school.import_roster import read_titles
from hub.lifecycle.sealing.seals.manage_seals import prepare_seal_request
from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from hub.web.pages.page_images import FAILURE_MEMORY, PageImages
from hub.web.signer.signing.answering import MAX_UPLOADS_AT_ONCE
from tests.changed_services import change_services
from tests.lifecycle.contract.test_give_answers import pdf
from tests.lifecycle.people import two_guardians
from tests.lifecycle.sealing.test_seal_management import ASKED, red_ring
from tests.lifecycle.signer import person
from tests.running import Running, until
from tests.web.serving import served

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Held:
    """A reader whose child gets no question before `go`. `begun`: somebody asks."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()

    def ask(self, question: bytes) -> bytes:
        self.begun.set()
        assert self.go.wait(120)
        return super().ask(question)  # type: ignore[misc, no-any-return]


class HeldAttachments(Held, AttachmentReader):
    pass


class HeldPdfs(Held, OwnPdfReader):
    pass


class HeldPainter(Held, PagePainter):
    pass


class HeldSealPictures(Held, PictureReader):
    pass


HeldReader = TypeVar("HeldReader", HeldAttachments, HeldPdfs, HeldPainter, HeldSealPictures)


@contextmanager
def held(reader: HeldReader) -> Iterator[HeldReader]:
    try:
        yield reader
    finally:
        reader.go.set()
        reader.close()


@pytest.fixture
def attachments() -> Iterator[HeldAttachments]:
    with held(HeldAttachments()) as reader:
        yield reader


@pytest_asyncio.fixture(loop_scope="module")
async def one_thread() -> AsyncIterator[None]:
    """Leave the process a single thread for all that may block."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as one:
        loop.set_default_executor(one)
        yield
        loop.set_default_executor(ThreadPoolExecutor())


Upload = Callable[[], Awaitable[aiohttp.ClientResponse]]


@asynccontextmanager
async def uploading(running: Running, reader: AttachmentReader) -> AsyncIterator[Upload]:
    """Yield an upload by a guardian whose contract asks for a file."""
    running.clock.advance(timedelta(minutes=2))  # a person gets one code a minute
    signers = two_guardians(1, 1)
    contract = await running.issue_minor(template="safety-notice", companions=(), send="none", signers=signers)
    guardian = await person(running, contract)
    await guardian.enter()
    hub = replace(running.hub, services=change_services(running.hub.services, "documents", attachments=reader))
    headers = {"Authorization": f"Bearer {guardian.secret}"}
    async with served(make_app(hub)) as origin, aiohttp.ClientSession(origin, headers=headers) as http:
        yield lambda: http.post(f"/sign/v1/attachment?id={contract.id}&name=certificate", data=pdf())


async def has_begun(reader: Held) -> None:
    async def begun() -> bool:
        return reader.begun.is_set()

    await until(begun)


async def others_go_on() -> None:
    assert await asyncio.wait_for(asyncio.to_thread(lambda: True), 60)


@pytest.mark.usefixtures("one_thread")
async def test_nobody_waits_for_an_attachment_of_somebody_else(running: Running, attachments: HeldAttachments) -> None:
    async with uploading(running, attachments) as upload:
        sent = asyncio.ensure_future(upload())
        await has_begun(attachments)
        await others_go_on()
        attachments.go.set()
        assert (await sent).status == 201


@pytest.mark.usefixtures("one_thread")
async def test_nobody_waits_for_a_pdf_of_the_schools_own(running: Running) -> None:
    with held(HeldPdfs()) as reader:
        services = change_services(running.hub.services, "documents", own_pdfs=reader)
        kept = asyncio.ensure_future(keep_own_document(services, pdf()))
        await has_begun(reader)
        await others_go_on()
        reader.go.set()
        assert await kept


@pytest.mark.usefixtures("one_thread")
async def test_nobody_but_who_reads_pages_waits_for_pages() -> None:
    async def load(_: str) -> bytes:
        return pdf()

    with held(HeldPainter()) as painter:
        drawn = asyncio.ensure_future(PageImages(painter).of("x", load))
        await has_begun(painter)
        await others_go_on()
        painter.go.set()
        assert len(await drawn) == 1


class OpenSheets:
    """The spreadsheets that are open at the same time. No child gets a question before `go`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.asked_to_begin, self.most = threading.Event(), 0, 0
        self._open, self._lock = set[SpreadsheetReader](), threading.Lock()
        begin, ask, end = SpreadsheetReader.begin, SpreadsheetReader.ask, SpreadsheetReader.end

        def noted_begin(reader: SpreadsheetReader) -> None:
            with self._lock:
                self.asked_to_begin += 1
            begin(reader)
            with self._lock:
                self._open.add(reader)
                self.most = max(self.most, len(self._open))

        def held_ask(reader: SpreadsheetReader, question: bytes) -> bytes:
            assert self.go.wait(120)
            return ask(reader, question)

        def noted_end(reader: SpreadsheetReader) -> None:
            with self._lock:
                self._open.discard(reader)
            end(reader)

        for name, act in (("begin", noted_begin), ("ask", held_ask), ("end", noted_end)):
            monkeypatch.setattr(SpreadsheetReader, name, act)


@pytest.mark.usefixtures("one_thread")
async def test_nobody_waits_for_rosters_and_few_are_read_at_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets, data = OpenSheets(monkeypatch), "学生姓名,校区\n陈小满,合肥\n".encode()

    def read() -> asyncio.Future[tuple[RosterHeader, tuple[str, ...]]]:
        return asyncio.ensure_future(read_titles(running.hub.database, data, EVERYTHING))

    async def all_wait() -> bool:
        return sheets.asked_to_begin == 3 * MAX_OPEN_SHEETS

    try:
        reads = [read() for _ in range(3 * MAX_OPEN_SHEETS)]
        await until(all_wait)
        await others_go_on()
        for given_up in reads[-MAX_OPEN_SHEETS:]:  # they give their turns to the next ones
            given_up.cancel()
            await asyncio.sleep(0)
            given_up.cancel()
    finally:
        sheets.go.set()
    kept = [*reads[:-MAX_OPEN_SHEETS], read()]
    assert all("student_name" in header.columns for header, _ in await asyncio.wait_for(asyncio.gather(*kept), 120))
    assert sheets.most == MAX_OPEN_SHEETS


async def nobody_reads() -> bool:
    return not spreadsheet.OPEN_READERS


@pytest.mark.usefixtures("one_thread")
async def test_few_spreadsheets_wait_in_memory(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    await until(nobody_reads)  # those of other tests end after them
    sheets, data = OpenSheets(monkeypatch), "学生姓名,校区\n陈小满,合肥\n".encode()
    read = partial(read_titles, running.hub.database, data, EVERYTHING)
    waiting = [asyncio.ensure_future(read()) for _ in range(MAX_READERS)]

    async def all_wait() -> bool:
        return sheets.asked_to_begin == MAX_READERS

    async def one_more_is_read() -> bool:
        with suppress(ManyChecks):
            return "student_name" in (await read())[0].columns
        return False

    try:
        await until(all_wait)
        with pytest.raises(ManyChecks):
            await asyncio.wait_for(read(), 60)
    finally:
        sheets.go.set()
    await asyncio.wait_for(asyncio.gather(*waiting), 120)
    await until(one_more_is_read)


class CountingPainter(PagePainter):
    """A painter that counts what it is asked."""

    asked = 0

    def ask(self, question: bytes) -> bytes:
        self.asked += 1
        return super().ask(question)


async def test_a_document_that_cannot_be_drawn_is_not_tried_at_each_request() -> None:
    now, files = 0.0, {"good": pdf(), "bad": b"%PDF-1.7 cut"}

    async def load(sha256: str) -> bytes:
        return files[sha256]

    painter = CountingPainter()
    images = PageImages(painter, clock=lambda: now)
    try:
        for _ in range(3):
            with pytest.raises(UnreadableFile, match="The PDF could not be read"):
                await images.of("bad", load)
        assert painter.asked == 2, "the first failure may be that of a busy machine"
        assert len(await images.of("good", load)) == 1
        now, files["bad"] = FAILURE_MEMORY, pdf()  # the machine was short of memory, for example
        assert len(await images.of("bad", load)) == 1
    finally:
        painter.close()


@pytest.mark.usefixtures("one_thread")
async def test_nobody_waits_for_a_seal_picture(running: Running) -> None:
    with held(HeldSealPictures()) as reader:
        services = change_services(running.hub.services, "documents", seal_pictures=reader)
        asked = replace(ASKED, picture=red_ring())
        prepared = asyncio.ensure_future(prepare_seal_request(services, asked))
        await has_begun(reader)
        await others_go_on()
        reader.go.set()
        assert (await prepared).picture


async def test_a_contract_has_few_uploads_at_once(running: Running, attachments: HeldAttachments) -> None:
    async with uploading(running, attachments) as upload:
        sent = [asyncio.ensure_future(upload()) for _ in range(MAX_UPLOADS_AT_ONCE + 1)]
        done, waiting = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        (refused,) = [each.result() for each in done]
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        attachments.go.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [201] * MAX_UPLOADS_AT_ONCE
        assert (await upload()).status == 201
