"""The console's posters: made, printed, watched and taken down, each within its campus."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from io import BytesIO

import aiohttp
import pytest
import pytest_asyncio
import xlsxwriter

from hub.documents.school.allowed_list import read_entries
from hub.documents.school.spreadsheet import MAX_OPEN_SHEETS, open_reader
from hub.errors import UnreadableFile
from hub.lifecycle.school.posters import MAX_ALLOWED, MAX_COURSES, MAX_ENROLMENTS, MAX_LIFE, MAX_TITLE_LENGTH
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.poster_visits import Family, admitted, make_poster
from tests.running import Running
from tests.web.signer_visits import asked
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        await add_staff(hub, "beijing-desk", "beijing")
        yield hub


def form_of(running: Running, **changes: object) -> list[tuple[str, object]]:
    values: dict[str, object] = {
        "title": "Winter",
        "course": "hefei/math-a",
        "mode": "contract",
        "maximum": "2",
        "allowed": "",
        "expires_at": (running.clock() + timedelta(days=30)).date().isoformat(),
    }
    return list((values | changes).items())


async def put_up(running: Running, console: ConsoleBrowser, **changes: object) -> str:
    page = await console.post("/staff/posters/new", form_of(running, **changes))
    assert page.status == 303, page.words
    return page.location.partition("?")[0]


async def test_a_poster_is_made_shown_and_printed(running: Running, console: ConsoleBrowser) -> None:
    form = (await console.get("/staff/posters/new")).text
    assert "hefei/math-a" in form and 'enctype="multipart/form-data"' in form
    address = await put_up(running, console, title="寒假班 2026")
    shown = await console.get(address)
    code = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{5}", shown.words)
    assert code and f"{running.origin}/p/{code[0].replace('-', '')}" in shown.text
    listed = (await console.get("/staff/posters")).words
    assert "寒假班 2026" in listed and "2 places left" in listed
    for sheet in ("a4.pdf", "stickers.pdf"):
        assert (await console.get(f"{address}/{sheet}")).headers["Content-Type"] == "application/pdf"
    status, _, headers = await asked(running, "GET", f"/s?code={code[0]}")  # typed, if it cannot be scanned
    assert (status, headers["Location"]) == (303, f"/p/{code[0].replace('-', '')}")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": " "}, "a title of up to 40 characters"),
        ({"title": "x" * (MAX_TITLE_LENGTH + 1)}, "a title of up to 40 characters"),
        ({"title": "\U0001f600"}, "cannot show"),
        ({"course": ""}, "choose courses of one campus"),
        ({"course": "hefei/none"}, "there is no course"),
        ({"expires_at": "2020-01-01"}, "a day from today on"),
        ({"expires_at": "2999-01-01"}, "at most 400 days ahead"),
        ({"expires_at": "soon"}, "a date like"),
        ({"maximum": "0"}, "a number from 1"),
        ({"maximum": f"{MAX_ENROLMENTS + 1}"}, "a number from 1"),
        ({"maximum": "many"}, "a whole number"),
        ({"allowed": "13800138000\n" * (MAX_ALLOWED + 1)}, f"at most {MAX_ALLOWED} lines"),
        ({"allowed": "13800138000\n\nnobody"}, "list: 3"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_entered_stays(
    running: Running, console: ConsoleBrowser, changes: dict[str, str], said: str
) -> None:
    page = await console.post("/staff/posters/new", form_of(running, **changes))
    assert page.status == 422 and said in page.words
    assert changes.get("title", "Winter").strip() in page.text


async def test_a_poster_may_have_as_much_as_is_allowed(running: Running, console: ConsoleBrowser) -> None:
    last = (running.clock() + MAX_LIFE - timedelta(days=1)).date().isoformat()
    most = {"title": "x" * MAX_TITLE_LENGTH, "maximum": str(MAX_ENROLMENTS), "expires_at": last}
    address = await put_up(running, console, **most, allowed="13800138000\n" * MAX_ALLOWED)
    assert "for a list of 1" in (await console.get(address)).words


@pytest.mark.parametrize(
    ("number", "said"), [(MAX_COURSES, "there is no course"), (MAX_COURSES + 1, "1 to 12 courses")]
)
async def test_a_poster_offers_so_many_courses(
    running: Running, console: ConsoleBrowser, number: int, said: str
) -> None:
    courses = [("course", f"hefei/none-{each}") for each in range(number)]
    page = await console.post("/staff/posters/new", [*form_of(running)[2:], ("title", "Winter"), *courses])
    assert page.status == 422 and said in page.words


async def test_a_list_may_be_a_file(running: Running, console: ConsoleBrowser) -> None:
    family = Family()
    form = aiohttp.FormData()
    for name, value in form_of(running):
        form.add_field(name, str(value))
    form.add_field("list", workbook([["证件号码"], [family.child_id]]), filename="list.xlsx")
    cookie = f"__Host-qianda-staff={console.cookie}"
    async with running.http.post(
        f"{running.origin}/staff/posters/new",
        data=form,
        headers={"Cookie": cookie, "Origin": running.origin},
        allow_redirects=False,
    ) as answer:
        assert answer.status == 303
        address = answer.headers["Location"].partition("?")[0]
    assert "for a list of 1" in (await console.get(address)).words


def workbook(rows: list[list[object]]) -> bytes:
    output = BytesIO()
    with xlsxwriter.Workbook(output, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return output.getvalue()


async def test_lists_are_read_as_people_have_them() -> None:
    assert await read_entries("手机号\n13800138000,陈\n\n".encode("gb18030")) == ["", "13800138000", ""]
    assert await read_entries(workbook([["phone"], [13800138000]])) == ["", "13800138000"]
    with pytest.raises(UnreadableFile, match="format the column as text"):
        await read_entries(workbook([[340104201209010016]]))
    with pytest.raises(UnreadableFile):
        await read_entries(b"\x89PNG\xff\xff")
    with pytest.raises(UnreadableFile, match="1 MB"):
        await read_entries(b"\n" * (1 << 21))


async def test_a_text_waits_for_no_reader_of_spreadsheets() -> None:
    async with AsyncExitStack() as readers:
        for _ in range(MAX_OPEN_SHEETS):
            await readers.enter_async_context(open_reader())
        reading = asyncio.create_task(read_entries(b"13800138000"))
        done, _ = await asyncio.wait({reading}, timeout=60)
    assert await reading == ["13800138000"] and done


async def test_who_came_is_shown_by_name_and_the_look_is_recorded(running: Running, console: ConsoleBrowser) -> None:
    poster, ticket = await make_poster(running, ("math-a", "english-b"))
    waiting, waits = await make_poster(running, mode="ask")
    signed, asking = Family(child="陈小满"), Family(child="周晓雨")
    async with admitted(running, ticket, signed) as client:
        drawn = await client.enrol("english-b", signed.student(), [signed.guardian()])
    async with admitted(running, waits, asking) as client:
        await client.enrol("math-a", asking.student(), [asking.guardian()])
    assert "1 scanned › 1 phone verified › 1 enrolled" in (await console.get("/staff/posters")).words
    came = (await console.get(f"/staff/posters/{poster.id}/people")).words
    assert signed.child in came and "to be signed" in came
    async with running.hub.database.transaction(EVERYTHING) as tx:
        contract = next(each for each in await tx.contracts.list_page() if str(each.id) == drawn[0]["id"])
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
    assert kinds.count("viewed-by-staff") == 1
    masked = (await console.get(f"/staff/posters/{waiting.id}/people")).words
    assert asking.child not in masked and "周*雨" in masked
    tasks = await console.get("/staff/tasks")
    assert "enrolled by a poster" in tasks.words and "/staff/enrolments" in tasks.text


async def test_a_poster_is_revoked_after_a_question(running: Running, console: ConsoleBrowser) -> None:
    address = await put_up(running, console)
    assert "for good" in (await console.get(f"{address}/revoke")).words
    assert (await console.post(f"{address}/revoke")).location == f"{address}?said=poster-revoked"
    assert "no longer works" in (await console.get(address)).words
    assert (await console.post(f"{address}/revoke")).status == 303


async def test_another_campus_sees_and_does_nothing(running: Running, console: ConsoleBrowser) -> None:
    address = await put_up(running, console, title="Hefei only")
    beijing = await console_of(running, "beijing-desk")
    assert "Hefei only" not in (await beijing.get("/staff/posters")).words
    headquarters = await console_of(running)
    for campus, listed in (("hefei", True), ("beijing", False)):
        assert ("Hefei only" in (await headquarters.get(f"/staff/posters?campus={campus}")).words) is listed
    for path in (address, f"{address}/people", f"{address}/a4.pdf", f"{address}/revoke"):
        assert (await beijing.get(path)).status == 404
    assert (await beijing.post(f"{address}/revoke")).status == 404
    refused = await beijing.post("/staff/posters/new", form_of(running))
    assert refused.status == 422 and "there is no campus hefei" in refused.words
    assert (await console.get(f"{address}/revoke")).status == 200
