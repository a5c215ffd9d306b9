"""The page where a pickup code and a phone number are typed, on a small phone; a code after one that was guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import expect

from hub.model.signing.link import DoorKind, derive_pickup_code
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import SMALL, NewPage, Shot
from tests.browser.signer_steps import ZH, code_of, identify, land
from tests.lifecycle.signer import wrong_code
from tests.running import GUARDIAN_PHONE, Running

pytestmark = pytest.mark.browser


@pytest.mark.real
async def test_from_the_short_code_to_the_contract(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        link = await tx.links.get_for_door(signer, DoorKind.SMS, tx.now)
    right = derive_pickup_code(running.hub.services.signing.keys.link, link.id, link.generation)
    page = await new_page()
    await page.goto(f"{running.origin}/s")
    await shot(page, "pickup-entry")
    await expect(page.locator("#phone")).to_be_hidden()  # the other kind of code needs no number
    await page.get_by_role("button", name="下一步").click()
    await expect(page.locator("#entry[aria-invalid]")).to_be_focused()
    await expect(page.locator("#entry-refused")).to_contain_text("6 位数字")
    await page.locator("#entry").fill(f"{right[:3]} {right[3:]}")
    await expect(page.locator("#entry-refused")).to_have_count(0)
    send = page.get_by_role("button", name="获取验证码")
    await page.locator("#phone").fill("12")
    await send.click()
    await expect(page.locator("#phone[aria-invalid]")).to_be_focused()
    await page.locator("#phone").fill(GUARDIAN_PHONE.removeprefix("+86"))
    await send.click()
    await expect(page.locator("#code")).to_be_visible()
    await shot(page, "pickup-code")
    assert await page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
    await page.reload()  # the messaging app was in front meanwhile
    await expect(page.locator("#code")).to_be_visible()
    right = await code_of(running)
    await identify(page, wrong_code(right))
    await expect(page.locator("#trouble[data-shown=wrong-answer]")).to_be_visible()
    await identify(page, right)
    await page.wait_for_url("**/sign/contract?id=*")


@pytest.mark.real
async def test_a_wrong_short_code_leads_to_the_same_page(running: Running, new_page: NewPage) -> None:
    page = await new_page()
    await page.goto(f"{running.origin}/s")
    await page.locator("#entry").fill("123456")
    await page.locator("#phone").fill("19000000177")
    await page.get_by_role("button", name="获取验证码").click()
    await expect(page.locator("#code")).to_be_visible()
    await page.get_by_role("button", name="重新输入短码").click()
    await page.locator("#entry").fill("4J8Q-2X7M-3K9TB")
    await page.get_by_role("button", name="获取验证码").click()
    await page.wait_for_url("**/s/4J8Q2X7M3K9TB")


@pytest.mark.real
async def test_a_first_typo_with_another_code_leaves_that_code_valid(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, f"{running.origin}/s/{await running.ticket(contract)}")
    for _ in range(5):
        async with page.expect_response("**/sign/v1/verify"):
            await identify(page, "000000")
    await expect(page.locator("#trouble[data-shown=code-used-up]")).to_be_visible()
    running.clock.advance(timedelta(minutes=1))
    await page.get_by_role("button", name="不是我 / 有疑问").click()
    await page.get_by_role("button", name="返回", exact=True).click()
    await page.get_by_role("button", name=ZH["begin"]).click()  # not the button of the trouble
    right = await code_of(running, count=2)
    await identify(page, wrong_code(right))
    await expect(page.locator("#trouble[data-shown=wrong-answer]")).to_be_visible()
    await identify(page, right)
    await page.wait_for_url("**/sign/contract?id=*")
