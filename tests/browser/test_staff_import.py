"""A clerk imports a roster on a phone: a GBK file with faults and titles of the school's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import text

from hub.documents.school.roster_sheets import PROBLEMS
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import PHONE, NewPage, Shot
from tests.browser.test_staff_console import logged_in
from tests.running import ADULT_ID, GUARDIAN_ID, MINOR_ID, Running

pytestmark = pytest.mark.browser
ROWS = (
    ("2026 年寒假班报名表",),
    ("校区", "所报项目", "学生姓名", "身份证号", "家长姓名", "家长身份证号", "家长电话"),
    ("合肥", "数学素养A", "陈小满", MINOR_ID, "陈建国", GUARDIAN_ID, "19000000155"),
    ("合肥", "数学素养B", "", ADULT_ID, "", "", "1.9E+10"),
)


async def enrolments(running: Running) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return int(await tx.connection.scalar(text("SELECT count(*) FROM enrolment")) or 0)


async def fits(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth") <= 360)


@pytest.mark.real
async def test_a_roster_is_checked_mended_and_imported(
    running: Running, new_page: NewPage, shot: Shot, tmp_path: Path
) -> None:
    before = await enrolments(running)
    page = await logged_in(running, await new_page(**PHONE))
    await page.goto(f"{running.origin}/staff/import")
    data = "\r\n".join(",".join(row) for row in ROWS).encode("gbk")
    await page.set_input_files("#roster", FilePayload(name="寒假班.csv", mimeType="text/csv", buffer=data))
    await page.get_by_role("button", name="检查文件").click()
    await expect(page.get_by_role("alert")).to_contain_text("课程")
    await expect(page.get_by_role("alert")).to_be_focused()  # the keyboard goes on from there
    await shot(page, "staff-import-columns")
    await page.get_by_label("所报项目").select_option("course")
    await page.get_by_role("button", name="按此设置").click()
    await expect(page.locator(".faults")).to_contain_text("B4 课程")
    assert await fits(page)
    await shot(page, "staff-import-faults")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="下载标出问题的表格").click()
    marked = tmp_path / "marked.xlsx"
    await (await started.value).save_as(marked)
    spreadsheets = SpreadsheetReader()
    title, titles, _, faulty = spreadsheets.rows(marked.read_bytes())
    spreadsheets.close()
    assert title[0] == ROWS[0][0] and titles[-1] == PROBLEMS and "C4 学员姓名" in str(faulty[-1])
    assert await enrolments(running) == before
    await page.get_by_role("button", name="导入无误的 1 条").click()
    await expect(page.get_by_role("link", name="签发合同")).to_be_visible()
    assert await fits(page) and await enrolments(running) == before + 1
