"""What somebody sees who has set letters twice as large on a narrow phone: everything, without scrolling sideways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Page, async_playwright, expect

from tests.browser.conftest import ARGUMENTS, CHROMIUM, page_in
from tests.running import Running, minor_with_guardian

pytestmark = [pytest.mark.browser, pytest.mark.real]
WIDTH = 320
# Twice the letters that a browser has by default.
TWICE = "--blink-settings=defaultFontSize=32"
LONG = "Bartholomew Wolfeschlegelsteinhausenbergerdorff the Third"
CONSOLE = ("", "/enrolments", "/issue", "/tasks", "/reports", "/policies", "/doctor")


async def is_narrow(page: Page, address: str) -> bool:
    await page.goto(address)
    await page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    return bool(await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


async def test_letters_twice_as_large_go_into_a_narrow_phone(running: Running) -> None:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    (guardian,) = minor_with_guardian().signers
    in_another_year = running.clock() + timedelta(days=364)  # so that the date shows its year
    contract = await running.issue_minor(signers=(replace(guardian, name=LONG),), deadline=in_another_year)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, TWICE])
        page = await page_in(await chromium.new_context(viewport={"width": WIDTH, "height": 700}, locale="zh-CN"))
        for address in (f"/s/{await running.ticket(contract)}", "/s", "/verify"):
            assert await is_narrow(page, running.origin + address), address
        assert await page.evaluate("getComputedStyle(document.documentElement).fontSize") == "34px"
        await page.goto(f"{running.origin}/staff/login")
        await page.fill("#login", "demo")
        await page.fill("#password", running.password)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="看板")).to_be_visible()
        for address in (*CONSOLE, f"/contracts/{contract.id}"):
            assert await is_narrow(page, f"{running.origin}/staff{address}"), address
        await chromium.close()
