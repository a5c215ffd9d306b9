"""A clerk's week (issue, chase, extend, reissue, print, export) and a manager's (two approvals, tasks, a report)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from hub.lifecycle.contract.end import expire
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.school.import_roster import load_roster
from hub.lifecycle.staff import change_phone
from hub.model.contract.signer import Role
from hub.model.staff.accounts import StaffTask
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.browser.conftest import DESK, NewPage, Shot
from tests.browser.test_staff_console import logged_in
from tests.lifecycle.signer import completed, signed
from tests.poster_visits import cn_id
from tests.running import MovableClock, Running, running_hub
from tests.web.staff_visit import add_staff

pytestmark = [pytest.mark.browser, pytest.mark.real]


@pytest_asyncio.fixture(loop_scope="session")
async def running() -> AsyncIterator[Running]:
    """A hub where it is ten in the morning, so that messages go out."""
    now = datetime.now(UTC)
    async with running_hub(clock=MovableClock(now.replace(hour=2, minute=0) + timedelta(days=1) - now)) as hub:
        yield hub


async def act_on_all(page: Page, running: Running, query: str, button: str) -> None:
    """Choose all that fit on the board, and one of the further acts."""
    await page.goto(f"{running.origin}/staff?{query}")
    await page.check("input[name=fitting]")
    await page.locator("details.more summary").click()
    await page.get_by_role("button", name=button).click()


async def test_a_clerks_week(running: Running, new_page: NewPage, shot: Shot) -> None:
    data = (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes()
    await load_roster(running.hub.database, running.hub.services.clock, data, EVERYTHING)
    done = await running.issue_minor()
    await signed(running, done)
    await completed(running, done)
    late = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await expire(running.hub.services, tx, await tx.contracts.lock_contract(late.id))
    page = await logged_in(running, await new_page(**DESK))
    # issue
    await page.goto(f"{running.origin}/staff/enrolments")
    for number in range(3):
        await page.locator('input[name="enrolment"]').nth(number).check()
    await page.locator("button.primary").first.click()
    await page.locator("button.primary").click()
    await expect(page.locator("h1")).to_contain_text("全部处理完毕，共 3 条")
    # chase: not those who were written to a moment ago
    await page.goto(f"{running.origin}/staff?view=pending")
    await page.check("#all")
    await page.locator("button[name=chosen]").click()
    await expect(page.get_by_text("目前没有可以提醒的人")).to_be_visible()
    running.clock.advance(timedelta(minutes=40))
    await page.goto(f"{running.origin}/staff?view=pending")
    await page.check("#all")
    await page.locator("button[name=chosen]").click()
    await page.get_by_role("button", name="发送提醒").click()
    await expect(page.locator("progress[data-over]")).to_be_visible()
    # extend, what has expired included
    await act_on_all(page, running, "", "延长截止时间")
    await page.fill("#deadline", (running.clock() + timedelta(days=90)).date().isoformat())
    await page.get_by_role("button", name="按这一天预览").click()
    await expect(page.locator("h1")).to_contain_text("将处理 4 份，共选中 5 份")
    await shot(page, "desk-extend")
    await page.locator(".actions button.primary").click()
    await expect(page.locator("h1")).to_contain_text("已全部处理，共 5 份")
    await expect(page.locator(".verdicts")).to_contain_text("原已过期，现已重新签发")
    await shot(page, "desk-extended")
    # reissue one
    await page.goto(f"{running.origin}/staff?view=pending")
    await page.locator("input[name=contract]").first.check()
    await page.locator("details.more summary").click()
    await page.get_by_role("button", name="重新签发").click()
    await page.locator(".actions button.primary").click()
    await expect(page.locator("h1")).to_contain_text("已全部处理，共 1 份")
    await expect(page.get_by_role("link", name="查看新合同")).to_be_visible()
    await takes_out(page, running, done.number)


async def takes_out(page: Page, running: Running, done: str) -> None:
    """Print, download and export. `done`: the number of the completed contract."""
    await act_on_all(page, running, "view=pending", "打印二维码")
    await page.locator(".actions button.primary").click()
    await expect(page.locator(".codes li")).to_have_count(4)
    await act_on_all(page, running, "", "下载已完成合同")
    with zipfile.ZipFile(await saved(page, ".actions button.primary")) as found:
        assert found.namelist() == [f"{done}.pdf"]
    await act_on_all(page, running, "state=COMPLETED", "导出表格")
    rows = list(csv.reader(io.StringIO((await saved(page, "button[value=csv]")).read_text("utf-8-sig"))))
    assert [row[0] for row in rows] == ["合同编号", done]


async def saved(page: Page, button: str) -> Path:
    """Return the file that this button downloads."""
    async with page.expect_download() as coming:
        await page.locator(button).click()
    return Path(await (await coming.value).path())


async def test_a_managers_week(running: Running, new_page: NewPage, shot: Shot) -> None:
    people = []
    for number in (1, 2):
        signer = NewSigner(Role.GUARDIAN, f"家长{number}", f"+861900000079{number}", cn_id("19850101", 790 + number))
        people.append((await running.issue_minor(signers=(signer,)), f"+861900000089{number}"))
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for contract, _ in people:
            (asked,) = await tx.contracts.list_signers(contract.id)
            text = "几点上课?"  # a question of each
            await tx.staff_tasks.add_task(StaffTask(uuid4(), "question", text, "hefei", tx.now, contract.id, asked.id))
    for contract, phone in people:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (asked,) = await tx.contracts.list_signers(contract.id)
        wanted = change_phone.PhoneRequest(contract.id, asked.id, phone, "换号")
        await change_phone.ask(running.hub.services, EVERYTHING, wanted, f"staff:{uuid4()}")
    await add_staff(running, "manager", "hefei", role=StaffRole.CAMPUS_MANAGER)
    page = await new_page(**DESK)
    await page.goto(f"{running.origin}/staff/tasks")
    await page.fill("#login", "manager")
    await page.fill("#password", running.password)
    await page.click("button.primary")
    await page.wait_for_url("**/staff/tasks")
    # two approvals
    for left in (1, 0):
        await page.goto(f"{running.origin}/staff/phone-changes")
        await page.locator("article a.button.primary").first.click()
        await page.locator("form[action$='/approve'] button").click()
        await page.goto(f"{running.origin}/staff/phone-changes")
        await expect(page.locator("article")).to_have_count(left)
    # tasks: both questions at once, with an outcome and a note
    await page.goto(f"{running.origin}/staff/tasks?kind=question")
    await expect(page.locator("article")).to_have_count(2)
    await page.check("#all")
    await page.select_option("#outcome", "reached")
    await page.fill("#note", "已电话答复")
    await shot(page, "desk-tasks")
    await page.get_by_role("button", name="将所选标为已处理").click()
    await page.wait_for_url("**/staff/tasks?kind=question&said=done")
    await expect(page.locator("article")).to_have_count(0)
    await page.goto(f"{running.origin}/staff/tasks?done=1")
    await expect(page.locator("td", has_text="已电话答复")).to_have_count(2)
    await shot(page, "desk-settled")
    # the report
    await page.get_by_role("link", name="报表", exact=True).first.click()
    await page.get_by_role("link", name="按课程").click()
    row = page.locator("table.report tr", has_text="数学素养A").first
    await expect(row.locator("td").first).to_have_text("2")
    await expect(page.locator("figure svg")).to_be_visible()
    await shot(page, "desk-report")
