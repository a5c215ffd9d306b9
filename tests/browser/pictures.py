"""Make the pictures of the README from a running hub: `make pictures`."""

from __future__ import annotations

import asyncio
import io

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from hub.lifecycle.contract.issue import issue
from hub.lifecycle.school.import_roster import load_roster, new_contract
from hub.model.contract.contract import Contract
from hub.model.school.enrolment_list import EnrolmentFilter, EnrolmentState
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from tests.browser.conftest import ARGUMENTS, CHROMIUM, DESK, PHONE
from tests.browser.signer_steps import ZH, code_of, draw_name, identify, read_to_the_end, sign
from tests.checkout import ROOT
from tests.running import GUARDIAN_PHONE, PASSWORD, Running, running_hub

FOLDER = ROOT / "docs" / "pictures"
COLOURS = 128
ENROLMENTS = 8
WHAT_HAPPENED = "经过"


async def keep(page: Page, name: str) -> None:
    """Save what fits on the screen, with few colours: every clone of the repository contains its pictures for ever."""
    image = Image.open(io.BytesIO(await page.screenshot())).convert("RGB")
    FOLDER.mkdir(exist_ok=True)
    image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        FOLDER / f"{name}.png", optimize=True
    )


async def on_the_phone(running: Running, browser: Browser) -> None:
    page = await (await browser.new_context(**PHONE)).new_page()
    await page.goto(f"{running.origin}/demo/phone?phone={GUARDIAN_PHONE.replace('+', '%2B')}")
    await keep(page, "1-message")
    await page.locator(f"a[href^='{running.origin}/s/']").click()
    await expect(page.get_by_role("button", name=ZH["begin"])).to_be_enabled()
    await keep(page, "2-landing")
    await page.get_by_role("button", name=ZH["begin"]).click()
    await identify(page, await code_of(running))
    await page.wait_for_url("**/sign/contract?id=*")
    await keep(page, "3-read")
    await read_to_the_end(page)
    await draw_name(page)
    await page.evaluate("window.scrollTo(0, 0)")
    await keep(page, "4-sign")
    await sign(page)
    await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
    await page.wait_for_load_state("networkidle")
    await keep(page, "5-done")


async def at_the_desk(running: Running, page: Page, contract: Contract) -> None:
    await page.goto(f"{running.origin}/staff")
    await page.locator("[name=login]").fill("demo")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.locator(f"a[href*='{contract.id}']").first.wait_for()
    await keep(page, "6-board")
    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await page.locator("a[href*='/desk/']").first.click()
    await page.locator("svg, img").first.wait_for()
    await keep(page, "8-desk-code")


async def looking_back(running: Running, page: Page, contract: Contract) -> None:
    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await page.get_by_role("heading", name=WHAT_HAPPENED).evaluate("heading => heading.scrollIntoView()")
    await keep(page, "7-contract")


async def main() -> None:
    async with running_hub() as running, async_playwright() as playwright:
        await load_roster(
            running.hub.database, running.clock, (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes(), EVERYTHING
        )
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            waiting = await tx.enrolments.list_fitting(EnrolmentFilter(EnrolmentState.WAITING), 500)
            enrolments = [each for each in waiting if each.campus == "hefei"][:ENROLMENTS]
        for enrolment in enrolments:
            await issue(running.hub.services, EVERYTHING, new_contract(enrolment), "staff")
        contract = await running.issue_minor()
        await running.message("invitation")
        desk = await (await browser.new_context(**DESK)).new_page()
        await at_the_desk(running, desk, contract)
        await on_the_phone(running, browser)
        await running.completed(contract)
        await looking_back(running, desk, contract)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
