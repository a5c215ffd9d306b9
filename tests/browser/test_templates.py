"""A clause in a real browser: legal changes it, sees the pages follow, a colleague approves, new contracts have it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from hub.model.contract.contract import Contract
from hub.model.staff.roles import StaffRole
from tests.browser.conftest import DESK, NewPage, Shot
from tests.running import QUICK, Running
from tests.web.staff_visit import add_staff

pytestmark = pytest.mark.browser

CLAUSE = "+ 学员应当遵守课堂秩序，爱护教学设施。"


async def console_of(running: Running, new_page: NewPage, login: str) -> Page:
    await add_staff(running, login, "hq", QUICK, StaffRole.LEGAL)
    page: Page = await new_page(**DESK)
    await page.goto(f"{running.origin}/staff/texts")
    await page.fill("#login", login)
    await page.fill("#password", running.password)
    await page.click("button.primary")
    await expect(page.locator("h1")).to_have_text("合同模板与消息用语")
    return page


async def read(running: Running, contract: Contract, version: str, page: Page) -> None:
    """Look up on the contract's page by which version it was drawn."""
    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await expect(page.get_by_text("所用模板“课程培训服务合同”：")).to_contain_text(version)


@pytest.mark.real
async def test_a_clause_is_changed_previewed_approved_and_in_force(
    running: Running, new_page: NewPage, shot: Shot
) -> None:
    old = await running.issue_minor()
    ann = await console_of(running, new_page, "ann")
    await ann.locator(".row.text", has_text="课程培训服务合同").get_by_role("link", name="各版本").click()
    await ann.get_by_role("button", name="修改此文本").click()
    await expect(ann.locator(".state").first).to_have_text("撰写中")
    pages = ann.locator("#look .pages img")
    await expect(pages).to_have_count(3)
    before = await pages.nth(1).get_attribute("src")
    clauses = ann.locator('textarea[name="zh.clauses"]')
    text = await clauses.input_value()
    assert CLAUSE in text
    await clauses.fill(text.replace(CLAUSE, "+ 学员应当 {{ 遵守"))  # as it stands half-written
    await expect(ann.locator("#look .note.wrong")).to_be_visible()
    await expect(ann.locator('textarea[name="zh.clauses"]')).to_be_focused()  # the preview takes nothing away
    await clauses.fill(text.replace(CLAUSE, f"{CLAUSE}\n! 学员不得携带危险物品进入教室。"))
    await expect(pages).to_have_count(3)
    await expect(ann.locator("#look")).not_to_have_class(re.compile("stale"))
    assert await pages.nth(1).get_attribute("src") != before
    await shot(ann, "template-writing")
    await ann.locator('textarea[name="en.clauses"]').press_sequentially(" ")
    await expect(ann.locator('select[name="language"]')).to_have_value("en")
    await ann.fill("#note", "危险物品")
    await ann.get_by_role("button", name="提交审批").click()
    await expect(ann.locator(".state").first).to_have_text("待批准")
    await expect(ann.get_by_role("button", name="批准，立即生效")).to_have_count(0)
    ben = await console_of(running, new_page, "ben")
    await ben.locator(".row.text", has_text="课程培训服务合同").get_by_role("link", name="desk-1").click()
    await expect(ben.locator(".changes ins").first).to_have_text("! 学员不得携带危险物品进入教室。")
    await shot(ben, "template-approving")
    await ben.get_by_role("button", name="批准，立即生效").click()
    await expect(ben.locator(".state").first).to_have_text("生效中")
    new = await running.issue_minor()
    await read(running, old, "2026.2", ben)
    await read(running, new, "desk-1", ben)
    await ben.get_by_role("link", name="版本 desk-1").click()
    await expect(ben.locator("pre.clauses").first).to_be_attached()
    for contract, holds in ((old, False), (new, True)):
        assert ("危险物品" in str(contract.data["text"])) is holds
