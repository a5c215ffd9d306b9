"""Reminders at the desk in a real browser: a policy's preview, and many reminders from the board."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.test_staff_console import logged_in
from tests.poster_visits import cn_id
from tests.running import Running

pytestmark = pytest.mark.browser
SCREENS = [pytest.param(DESK, id="desk"), pytest.param(PHONE, id="phone")]


@pytest.mark.real
@pytest.mark.parametrize("screen", SCREENS)
async def test_a_policy_is_previewed(
    running: Running, new_page: NewPage, shot: Shot, screen: dict[str, object], request: pytest.FixtureRequest
) -> None:
    page = await logged_in(running, await new_page(**screen))
    await page.goto(f"{running.origin}/staff/policies?at=hefei/math-a")
    await expect(page.locator(".plan li")).not_to_have_count(0)
    await page.fill("#reminders_after", "2, 9")
    await page.select_option("#last_call_through", "voice")
    await page.click("button[name=preview]")
    await expect(page.locator(".plan li", has_text="最后提醒")).to_contain_text("电话")
    await shot(page, f"staff-policies-{request.node.callspec.id}")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.real
async def test_many_are_reminded_from_the_board(running: Running, new_page: NewPage, shot: Shot) -> None:
    for number in range(3):
        phone, document = f"+861900000070{number}", cn_id("19850101", 700 + number)
        signer = NewSigner(Role.GUARDIAN, "陈建国", phone, document, relation="父亲")
        await running.issue_minor(signers=(signer,))
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff")
    await expect(page.locator(".row", has_text="已送达")).to_have_count(3)
    await page.check("#all")
    await expect(page.locator("button[name=chosen]")).to_contain_text("(3)")
    await page.locator("button[name=chosen]").click()
    await expect(page.locator(".verdicts")).to_contain_text("刚刚收到过消息")
    await expect(page.get_by_text("目前没有可以提醒的人")).to_be_visible()
    running.clock.advance(timedelta(minutes=40))  # now they may get another message
    await page.reload()
    await expect(page.get_by_text("目前没有可以提醒的人")).to_have_count(0)
    await shot(page, "staff-many-preview")
    await page.click("button.primary")
    # The worker does it, and the page updates itself.
    await expect(page.locator("h1")).to_have_text("已完成：共处理 3 人")
    await expect(page.locator(".verdicts li")).to_contain_text("3")
    await shot(page, "staff-many-done")


async def days_pass(running: Running, days: int = 3) -> None:
    """Move the demo's clock by days to ten in the morning at the campus, when messages may leave, whatever the time is
    here."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        local = tx.planning_now.astimezone(ZoneInfo("Asia/Shanghai"))
        morning = local.replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=days)
        await tx.school.advance_clock(morning - local)


@pytest.mark.real
@pytest.mark.parametrize("screen", SCREENS)
async def test_from_a_policy_to_a_reminder_its_ledger_and_a_task_with_an_owner(
    running: Running, new_page: NewPage, shot: Shot, screen: dict[str, object], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    page = await logged_in(running, await new_page(**screen))
    await page.goto(f"{running.origin}/staff/policies?at=hefei/")
    await page.fill("#escalate_after", "1")
    await page.click("button[name=preview]")
    await expect(page.locator(".plan li").first).to_contain_text("邀请")
    await page.click("button[name=save]")
    contract = await running.issue_minor(hold=True)
    await running.issue_minor(student=NewStudent("陈小雨", "cn-id", cn_id("20140901", 21)), course="english-b")
    assert "2份合同" in await running.message("invitation")
    await days_pass(running)
    assert "2份合同" in await running.message("reminder")

    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await page.locator("#ledger summary").click()
    for kind in ("planned", "sent", "receipt"):
        await expect(page.locator(f"#ledger tr.{kind}").first).to_be_visible()
    await shot(page, f"staff-ledger-{name}")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    await page.goto(f"{running.origin}/staff/tasks")
    unanswered = page.locator("article", has_text="多次提醒未回应")
    await expect(unanswered).to_have_count(2)
    await running_owner(page)
    await shot(page, f"staff-tasks-{name}")
    await unanswered.first.get_by_role("button", name="我来处理").click()
    await page.wait_for_url("**/staff/tasks?said=task-taken")
    await page.goto(f"{running.origin}/staff/tasks?whose=mine&lang=en")
    await expect(page.locator("article", has_text="does not answer reminders").first).to_contain_text("Yours")
    await shot(page, f"staff-tasks-mine-{name}")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


async def running_owner(page: Page) -> None:
    """Wait until a worker has given the task to an owner, which takes seconds and shows when the page is loaded
    again."""
    for _ in range(60):
        if await page.locator("article .owner", has_text="请在").count():
            return
        await page.reload()
    raise AssertionError("nobody has it in hand")
