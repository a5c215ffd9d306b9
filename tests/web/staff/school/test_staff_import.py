"""A roster at the desk: uploaded, looked at, its columns named, imported, and its faults to download."""

from __future__ import annotations

import re
from collections.abc import Sequence

import aiohttp
import pytest
from sqlalchemy import text

from hub.documents.school.roster_columns import COLUMNS
from hub.documents.school.roster_sheets import PROBLEMS
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.lifecycle.evidence.retention import purge
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.database import tamper
from tests.poster_visits import cn_id
from tests.running import ADULT_ID, GUARDIAN_ID, MINOR_ID, Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
TITLES = ("校区", "班级", "学生姓名", "身份证号", "家长姓名", "家长身份证号", "家长电话")
GOOD = ("合肥", "数学素养A", "陈小满", MINOR_ID, "陈建国", GUARDIAN_ID, "19000000155")


def sheet(*rows: Sequence[str]) -> bytes:
    return "\r\n".join(",".join(row) for row in rows).encode("gbk")


async def upload(console: ConsoleBrowser, data: bytes, name: str = "名单.csv") -> Page:
    """Return the page on which a browser arrives."""
    running, form = console.running, aiohttp.FormData(quote_fields=False)
    form.add_field("roster", data, filename=name)
    headers = {"Cookie": f"__Host-qianda-staff={console.cookie}; qianda-language={console.language}"}
    headers |= {"Origin": running.origin, "Accept": "text/html"}
    url = f"{running.origin}/staff/import"
    async with running.http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        if answer.status != 303:
            return Page(answer.status, await answer.text(), "", answer.headers)
        location = answer.headers["Location"]
    page = await console.get(location)
    return Page(page.status, page.text, location, page.headers)


async def count(running: Running, table: str) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return int(await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def rows_of(running: Running, console: ConsoleBrowser, path: str) -> list[list[object]]:
    """Return the rows of a spreadsheet that this page sends."""
    headers = {"Cookie": f"__Host-qianda-staff={console.cookie}"}
    async with running.http.get(running.origin + path, headers=headers) as answer:
        data = await answer.read()
    spreadsheets = SpreadsheetReader()
    try:
        return [list(row) for row in spreadsheets.rows(data)]
    finally:
        spreadsheets.close()


async def test_nothing_is_added_before_it_was_looked_at_and_nothing_twice(
    running: Running, console: ConsoleBrowser
) -> None:
    before = await count(running, "enrolment")
    page = await upload(console, (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes(), "roster.xlsx")
    assert page.status == 200 and "200 to be added" in page.words
    assert await count(running, "enrolment") == before
    done = await console.post(page.location)
    assert "200 added" in done.words and await count(running, "enrolment") == before + 200
    assert (await console.get(page.location)).status == 404, "what was imported whole is not kept"
    again = await upload(console, (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes())
    assert "0 to be added 200 there already" in again.words


async def test_faults_are_shown_by_cell_and_marked_in_the_sheet(running: Running, console: ConsoleBrowser) -> None:
    bad = ("合肥", "炼金术", "", ADULT_ID, "", "", "=1+1")
    page = await upload(console, sheet(TITLES, GOOD, bad))
    assert "1 to be added" in page.words and "1 with faults" in page.words
    for fault in ("B3 course 炼金术 There is no such course", "C3 student name The name is missing"):
        assert fault in page.words
    titles, good, faulty = await rows_of(running, console, f"{page.location}/marked.xlsx")
    assert titles == [*TITLES, PROBLEMS] and good == [*GOOD]
    assert faulty[6] == "=1+1", "what somebody typed becomes no formula"
    said = str(faulty[7])
    assert "B3 " in said and "C3 " in said
    assert "1 added" in (await console.post(page.location)).words
    # The marked sheet can be mended and imported: its last column is no fault.
    assert "Not known" not in (await upload(console, sheet([*TITLES, PROBLEMS], [*GOOD, ""]))).words


async def test_columns_that_a_person_names_are_remembered_for_the_campus(running: Running) -> None:
    await add_staff(running, "hefei-clerk", "hefei")
    console = await console_of(running, "hefei-clerk")
    odd = ("所报项目", "宝宝", "证件编号", *TITLES[4:])
    page = await upload(console, sheet(odd, GOOD[1:]))
    assert "These columns are not found" in page.words and "Import the rows" not in page.words
    assert (await console.post(page.location)).status == 422
    form = [("title", title) for title in odd]
    meant = ("course", "student_name", "student_id_number", "guardian_name", "guardian_id_number", "guardian_phone")
    form += [("column", column) for column in meant]
    assert (await console.post(f"{page.location}/columns", form)).location == page.location
    assert (
        "1 to be added" in (await console.get(page.location)).words
        or "1 there already" in (await console.get(page.location)).words
    )
    assert "not found" not in (await upload(console, sheet(odd, GOOD[1:]))).words
    elsewhere = await console_of(running)
    assert "not found" in (await upload(elsewhere, sheet(odd, GOOD[1:]))).words


async def test_a_roster_is_seen_by_its_campus_alone_and_for_a_day(running: Running, console: ConsoleBrowser) -> None:
    await add_staff(running, "beijing-clerk", "beijing")
    page = await upload(console, sheet(TITLES, GOOD))
    stranger = await console_of(running, "beijing-clerk")
    assert (await stranger.get(page.location)).status == 404
    assert (await stranger.get(f"{page.location}/marked.xlsx")).status == 404
    assert "名单.csv" in (await console.get("/staff/import")).words
    assert MINOR_ID.encode() not in await raw_upload(running)
    await tamper(running.hub.database.dsn, "UPDATE roster_upload SET created_at = created_at - interval '25 hours'")
    assert (await purge(running.hub.services))["rosters"] >= 1
    assert (await console.get(page.location)).status == 404 and await count(running, "roster_upload") == 0


async def raw_upload(running: Running) -> bytes:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return bytes(await tx.connection.scalar(text("SELECT data_sealed FROM roster_upload LIMIT 1")) or b"")


async def test_the_template_has_every_column_and_the_courses(running: Running, console: ConsoleBrowser) -> None:
    (titles,) = await rows_of(running, console, "/staff/import/template.xlsx")
    assert set(titles) <= {title for names in COLUMNS.values() for title in names} and len(titles) == len(COLUMNS) - 2


async def test_what_is_no_roster_is_refused_at_once(running: Running, console: ConsoleBrowser) -> None:
    for data in (b"", b"no spreadsheet", b"%PDF-1.7\x00"):
        page = await upload(console, data)
        assert page.status == 422 and not page.location
    assert (await console.post("/staff/import", {})).status == 422
    assert (await console.get("/staff/import/none")).status == 404


async def test_the_check_speaks_chinese(running: Running) -> None:
    console = await console_of(running, language="zh")
    page = await upload(console, sheet([*TITLES, "乘车路线"], ("合肥", "炼金术", "", ADULT_ID, "", "", "12")))
    assert "B2 课程 炼金术 该校区没有这门课程" in page.words and "C2 学员姓名" in page.words
    words = re.sub(r"Qianda|English|SHA-256|UTC|csv|demo|Demo", "", page.words)
    assert not re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}", words), words


async def test_an_import_is_listed_and_undone_with_one_click(running: Running) -> None:
    await add_staff(running, "undoing-clerk", "hefei")
    console = await console_of(running, "undoing-clerk")
    children = [(*GOOD[:3], cn_id("20130203"), *GOOD[4:]) for _ in range(3)]
    page = await upload(console, sheet(TITLES, *children), "撤销.csv")
    before = await count(running, "enrolment")
    done = await console.post(page.location)
    (undo,) = re.findall(r'action="(/staff/imports/[0-9a-f-]{36}/undo)"', done.text)
    assert await count(running, "enrolment") == before + 3
    listed = (await console.get("/staff/import")).words
    assert "撤销.csv 3 added Undoing-Clerk" in listed
    one = undo.removesuffix("/undo")
    assert "Undo: remove 3 enrolments" in (await console.get(one)).words
    (first,) = re.findall(r'<a href="(/staff/enrolments/[^"]*)"><b>', (await console.get(listing(one))).text)[:1]
    assert (await console.post(first, {"external_id": "7"})).status == 303
    would = (await console.get(one)).words
    assert "Undo: remove 2 enrolments" in would and "These would stay 陈小满 it was changed in the console" in would
    for _ in range(2):
        assert (await console.post(undo)).location == f"{one}?said=import-undone"
    assert await count(running, "enrolment") == before + 1
    undone = (await console.get(one)).words
    assert "2 removed when it was undone" in undone and "These have stayed 陈小满" in undone
    assert "3 added · undone" in (await console.get("/staff/import")).words


def listing(one: str) -> str:
    return f"/staff/enrolments?state=all&import={one.rpartition('/')[2]}"


async def test_another_campus_neither_sees_nor_undoes_an_import(running: Running, console: ConsoleBrowser) -> None:
    await add_staff(running, "guangzhou-clerk", "guangzhou")
    page = await upload(console, sheet(TITLES, (*GOOD[:3], cn_id("20130203"), *GOOD[4:])), "总部.csv")
    (undo,) = re.findall(r'action="(/staff/imports/[^"]*/undo)"', (await console.post(page.location)).text)
    before = await count(running, "enrolment")
    abroad = await console_of(running, "guangzhou-clerk")
    assert "总部.csv" not in (await abroad.get("/staff/import")).words
    for address in (undo, "/staff/imports/none/undo"):
        assert (await abroad.get(address.removesuffix("/undo"))).status == 404
        assert (await abroad.post(address)).status == 404
    assert (await console.post(undo, origin="https://evil.example")).status == 403
    assert await count(running, "enrolment") == before


async def test_the_imports_speak_chinese(running: Running) -> None:
    console = await console_of(running, language="zh")
    page = await upload(console, sheet(TITLES, (*GOOD[:3], cn_id("20130203"), *GOOD[4:])))
    (undo,) = re.findall(r'action="(/staff/imports/[^"]*/undo)"', (await console.post(page.location)).text)
    await console.post(undo)
    words = re.sub(r"Qianda|English|UTC|csv|demo|Demo", "", (await console.get(undo.removesuffix("/undo"))).words)
    assert "撤销时删除" in words and not re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}", words), words
