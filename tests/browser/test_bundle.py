"""Three contracts behind one link: one code, "1 of 3", a signature each, one after the other."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from hub.lifecycle.contract.new_contract import NewStudent
from tests.browser.conftest import PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, come_in, read_to_the_end, sign
from tests.lifecycle.people import father
from tests.running import GUARDIAN_PHONE, Running

pytestmark = [pytest.mark.browser, pytest.mark.custody]

SISTER, BROTHER = "340104201509010026", "340104201701010018"
SAID = {
    "zh": ("第 1 份，共 3 份", "3 份合同已签 {n} 份，下一份：", "继续签署下一份", "待签署"),
    "en": ("Contract 1 of 3", "{n} of 3 signed. Next:", "Go on to the next contract", "to sign"),
}


async def standings(page: Page) -> list[str]:
    """Return where each contract stands, as the list on the page says."""
    items = page.locator(".bundle li")
    return [str(await each.get_attribute("data-standing")) for each in await items.all()]


async def no_sideways(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.real
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_from_one_to_the_next(running: Running, new_page: NewPage, shot: Shot, language: str) -> None:
    words, said = (ZH if language == "zh" else EN), SAID[language]
    signers = (father(),)
    students = (
        NewStudent("陈小满", "cn-id", "340104201209010016"),
        NewStudent("陈小雪", "cn-id", SISTER),
        NewStudent("陈小雨", "cn-id", BROTHER),
    )
    contracts = [await running.issue_minor(student=student, signers=signers, send="none") for student in students]
    page = await new_page(**PHONE if language == "zh" else {**PHONE, "locale": "en-GB"})
    await page.goto(f"{running.origin}/s?lang={language}")
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contracts[0])}", words)
    await expect(page.locator(".bundle summary")).to_contain_text(said[0])
    assert await standings(page) == ["open"] * 3
    await expect(page.locator(".bundle li").nth(2)).to_contain_text("陈小雨")
    await expect(page.locator(".bundle li").nth(2)).to_contain_text(said[3])
    await no_sideways(page)
    await shot(page, f"bundle-{language}-read")
    await page.locator(".bundle a").last.click()  # the third first: the list allows any order
    for signed, number in enumerate((3, 1, 2), start=1):
        await page.wait_for_url(f"**/sign/contract?id={contracts[number - 1].id}")
        await read_to_the_end(page, words)
        await expect(page.locator("main")).to_contain_text(said[0].replace("1", str(number), 1))
        await sign(page, words)
        await page.wait_for_url("**/sign/done?id=*")
        if signed < 3:
            await expect(page.locator("[data-next] h2")).to_have_text(said[1].format(n=signed))
            await no_sideways(page)
            await shot(page, f"bundle-{language}-done-{signed}")
            assert (await standings(page)).count("open") == 3 - signed
            await page.get_by_role("link", name=said[2]).click()
    await expect(page.get_by_role("heading", name=words["completed"])).to_be_visible()
    assert await page.locator("[data-next]").count() == 0
    await shot(page, f"bundle-{language}-done-3")
    for contract in contracts:
        await running.completed(contract)
    await page.reload()
    assert await standings(page) == ["completed"] * 3
    codes = [each for each in await running.messages(GUARDIAN_PHONE) if each["purpose"] == "code"]
    assert len(codes) == 1
