"""A clerk's first day: a roster with faults is mended and imported, a contract read before it is issued, two hundred
issued while the tab is closed, a number revealed, a question answered."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
import xlsxwriter
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import text

from hub.documents.school.roster_sheets import PROBLEMS
from hub.documents.school.spreadsheet import SpreadsheetReader
from hub.lifecycle.signing.questions import ask
from hub.model.contract.person import format_phone
from hub.model.contract.signer import Signer
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, NewPage, Shot
from tests.browser.test_staff_console import logged_in
from tests.lifecycle.signer import person
from tests.poster_visits import cn_id
from tests.running import MovableClock, Running, running_hub, until

pytestmark = [pytest.mark.browser, pytest.mark.real]
CHILDREN = 200
TITLE = ("2026 年寒假班报名表", *[""] * 7)
TITLES = ("校区", "班级", "学生姓名", "身份证号", "家长姓名", "与学员关系", "家长身份证号", "家长电话")
# Rows whose faults the clerk mends, by the place of the column.
NO_NAME, NO_COURSE, SHORT_PHONE = 5, 17, 140
# Milliseconds until all are issued. Only a busy machine needs them.
ALL_ISSUED_MS = 240_000


@pytest_asyncio.fixture(loop_scope="session")
async def running() -> AsyncIterator[Running]:
    """A hub where it is ten in the morning, so that messages go out."""
    now = datetime.now(UTC)
    morning = now.replace(hour=2, minute=0) + timedelta(days=1)
    async with running_hub(clock=MovableClock(morning - now)) as hub:
        yield hub


def roster() -> list[list[str]]:
    """Return the rows below the titles, three of them with a fault."""
    rows = [
        [
            "合肥",
            "数学素养A",
            f"学员{'一二三四五六七八九十'[number % 10]}",
            cn_id("20120901", number),
            "陈建国",
            "父亲",
            cn_id("19850101", number),
            f"1900000{number + 2000:04}",
        ]
        for number in range(CHILDREN)
    ]
    rows[NO_NAME][2], rows[NO_COURSE][1], rows[SHORT_PHONE][7] = "", "炼金术", "1900"
    return rows


def gbk(rows: list[list[str]]) -> bytes:
    """Return the sheet as WPS saves it as CSV: GBK, CRLF, every row as wide as the widest."""
    return "".join(",".join(row) + "\r\n" for row in (TITLE, TITLES, *rows)).encode("gbk")


def mended(marked: bytes) -> bytes:
    """Mend the faults that the downloaded sheet marks. Return it as XLSX, still with its column of faults."""
    spreadsheets = SpreadsheetReader()
    rows = [["" if cell is None else str(cell) for cell in row] for row in spreadsheets.rows(marked)]
    spreadsheets.close()
    assert rows[1][-1] == PROBLEMS
    faulty = [row for row in rows[2:] if len(row) > len(TITLES) and row[len(TITLES)]]
    assert len(faulty) == 3 and "C8" in faulty[0][len(TITLES)]
    faulty[0][2], faulty[1][1], faulty[2][7] = "学员六", "数学素养A", f"1900000{SHORT_PHONE + 2000:04}"
    output = BytesIO()
    with xlsxwriter.Workbook(output) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return output.getvalue()


async def upload(page: Page, running: Running, name: str, data: bytes) -> None:
    await page.goto(f"{running.origin}/staff/import")
    await page.set_input_files("#roster", FilePayload(name=name, mimeType="application/octet-stream", buffer=data))
    await page.get_by_role("button", name="检查文件").click()


async def count(running: Running, table: str) -> int:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return int(await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def test_a_clerks_first_day(running: Running, new_page: NewPage, shot: Shot, tmp_path: Path) -> None:
    page = await logged_in(running, await new_page(**DESK))
    await upload(page, running, "寒假班.csv", gbk(roster()))
    await expect(page.locator(".verdicts")).to_contain_text("3")
    async with page.expect_download() as started:
        await page.get_by_role("link", name="下载标出问题的表格").click()
    await (await started.value).save_as(tmp_path / "marked.xlsx")
    await upload(page, running, "寒假班-已改.xlsx", mended((tmp_path / "marked.xlsx").read_bytes()))
    await page.get_by_role("button", name=f"导入无误的 {CHILDREN} 条").click()
    await expect(page.get_by_role("button", name="撤销这次导入")).to_be_visible()
    assert await count(running, "enrolment") == CHILDREN
    await page.get_by_role("link", name="签发合同").click()
    await read_before_issuing(page, shot)
    page = await issue_all(running, page, new_page, shot)
    signer = await some_signer(running)
    await reveal(running, page, signer)
    await answer(running, page, signer)


async def read_before_issuing(page: Page, shot: Shot) -> None:
    await expect(page.locator(".row.enrolment")).to_have_count(50)
    await shot(page, "staff-enrolments")
    await page.get_by_role("button", name="签发全部符合的报名").click()
    await expect(page.locator("h1")).to_contain_text(f"{CHILDREN}")
    await expect(page.locator(".said").first).to_contain_text("签署")
    assert await page.locator(".pages img").count() > 1
    drawn = "[...document.querySelectorAll('.pages img')].every(image => image.complete && image.naturalWidth > 500)"
    assert await page.evaluate(drawn), "the pages of the contract are there to be read"
    await shot(page, "staff-issue-preview")


async def issue_all(running: Running, page: Page, new_page: NewPage, shot: Shot) -> Page:
    """Issue all, and close the tab at once. Return another one, which shows the end."""
    await page.locator(".actions button.primary").click()
    await page.wait_for_url("**/staff/issued/*")
    address, cookies = page.url, await page.context.cookies()
    await page.context.close()
    again = await new_page(**DESK)
    await again.context.add_cookies([{**each} for each in cookies])  # type: ignore[typeddict-item]
    await again.goto(f"{running.origin}/staff/enrolments")
    await again.locator('a[href^="/staff/issued/"]').click()
    assert again.url == address
    await expect(again.locator("h1")).to_contain_text("全部处理完毕", timeout=ALL_ISSUED_MS)
    await shot(again, "staff-issued")
    assert await count(running, "contract") == CHILDREN
    async with running.hub.database.transaction(EVERYTHING) as tx:
        once = text("SELECT count(DISTINCT contract) FROM enrolment WHERE contract IS NOT NULL")
        assert await tx.connection.scalar(once) == CHILDREN
    return again


async def some_signer(running: Running) -> Signer:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.connection.scalar(text("SELECT contract FROM enrolment ORDER BY place LIMIT 1"))
        return (await tx.contracts.list_signers(UUID(str(found))))[0]


async def reveal(running: Running, page: Page, signer: Signer) -> None:
    await page.goto(f"{running.origin}/staff/contracts/{signer.contract}")
    assert format_phone(signer.phone) not in await page.content()
    card = page.locator("details", has=page.locator('form[action*="/reveal/"]')).first
    await card.locator("summary").click()
    await card.locator("select").select_option(index=1)
    await card.locator("button").click()
    await expect(page.locator(".whole-number")).to_have_text(format_phone(signer.phone))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [each.kind for each in await tx.record.list_entries(signer.contract)]
    assert kinds.count("contact-revealed") == 1


async def answer(running: Running, page: Page, signer: Signer) -> None:
    """The guardian asks, the clerk answers by text message, and the guardian's phone has it."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        contract = await tx.contracts.get(signer.contract)
    somebody = await person(running, contract)
    await somebody.land()
    await ask(running.hub.services, somebody.secret, "question", "可以改到周三吗？")

    async def asked() -> StaffTask | None:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            return next(iter(await tx.staff_tasks.list_open_tasks(contract.id)), None)

    task = await until(asked)
    await page.goto(f"{running.origin}/staff/tasks")
    await page.locator(f'a[href="/staff/tasks/{task.id}/answer"]').click()
    await page.fill("#text", "可以改到周三下午，请直接签署。")
    await page.get_by_role("button", name=re.compile("预览")).click()
    await page.get_by_role("button", name="发送", exact=False).click()
    await page.wait_for_url("**/staff/tasks?said=*")
    assert "周三下午" in await running.message("reply", signer.phone)
