"""Reminders at the desk in a real browser: a policy's preview, and many reminded from the board."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from hub.lifecycle.issue import NewSigner
from hub.model.signer import Role
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.test_staff_desk import logged_in
from tests.poster_visits import cn_id
from tests.running import Running

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
async def test_a_policy_is_previewed(
    running: Running, new_page: NewPage, shot: Shot, screen: dict[str, object], request: pytest.FixtureRequest
) -> None:
    page = await logged_in(running, await new_page(**screen))
    await page.goto(f"{running.origin}/staff/policies?at=hefei/math-a")
    await expect(page.locator(".plan li")).not_to_have_count(0)
    await page.fill("#reminders_after", "2d, 9d")
    await page.fill("#last_call_through", "voice")
    await page.click("button[name=preview]")
    await expect(page.locator(".plan li", has_text="最后提醒")).to_contain_text("电话")
    await shot(page, f"staff-policies-{request.node.callspec.id}")
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


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
    await shot(page, "staff-many-preview")
    await page.click("button.primary")
    # The worker does it, and the page keeps up by itself.
    await expect(page.locator("h1")).to_have_text("已完成：共处理 3 人")
    await expect(page.locator(".verdicts li")).to_contain_text("3")
    await shot(page, "staff-many-done")
