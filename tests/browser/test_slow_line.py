"""What a signer sees on a slow line: that something is going on, and that all of it arrives in the end."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import NewPage
from tests.browser.signer_steps import ZH, come_in
from tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.real]
# The page's timers run so many times as fast as they should.
HASTE = 5
HURRIED = f"(() => {{ const real = setTimeout; window.setTimeout = (work, ms) => real(work, ms / {HASTE}); }})()"
# Bytes a second at which the document takes longer than a call may be silent, in the time of that page.
TRICKLE = 25_000
TOOK = "performance.getEntriesByType('resource').find(({ name }) => name.includes('/document.pdf')).duration"


async def test_a_document_may_take_long_as_long_as_it_comes(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
    line = await page.context.new_cdp_session(page)
    await line.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": TRICKLE, "uploadThroughput": TRICKLE}
    await line.send("Network.emulateNetworkConditions", slow)
    await page.add_init_script(HURRIED)
    await page.goto(page.url.replace("/sign/contract", "/sign/signature"))
    await expect(page.get_by_role("button", name=ZH["sign"], exact=True)).to_be_enabled()
    assert await page.evaluate(TOOK) > 30_000 / HASTE


async def test_a_button_says_that_its_work_goes_on(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await page.goto(f"{running.origin}/s/{await running.ticket(contract)}")
    answered = asyncio.Event()

    async def hold(route: Route) -> None:
        await answered.wait()
        await route.fulfill(status=503, json={"code": "unavailable", "title": ""})

    await page.route("**/sign/v1/code", hold)
    await page.get_by_role("button", name=ZH["begin"]).click()
    await expect(page.locator('[data-act="begin"]')).to_have_text("请稍候……")
    answered.set()
    await expect(page.get_by_role("button", name=ZH["begin"])).to_be_enabled()
