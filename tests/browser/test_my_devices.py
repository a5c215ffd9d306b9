"""A person who lost a phone revokes its key themselves, on the page where they are verified."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, come_in
from tests.custody.app import hub_with_an_app
from tests.custody.test_app import CODE_APART
from tests.web.signer_visits import verified

pytestmark = [pytest.mark.browser, pytest.mark.custody, pytest.mark.real]
WORDS = {
    "zh": {
        "devices": "我的设备",
        "lost": "这台手机丢失了",
        "revoke": "确认吊销",
        "said": "该设备已吊销",
        "back": "返回合同",
    },
    "en": {
        "devices": "My devices",
        "lost": "I lost this phone",
        "revoke": "Revoke its key for good",
        "said": "The device is revoked",
        "back": "Back to the contract",
    },
}


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_a_lost_phone_is_revoked_by_its_person(
    tmp_path: Path, new_page: NewPage, shot: Shot, language: str
) -> None:
    words, steps = WORDS[language], ZH if language == "zh" else EN
    async with hub_with_an_app(tmp_path) as phones:
        running = phones.running
        contract = await running.issue_minor()
        page = await new_page(**(PHONE if language == "zh" else {**DESK, "locale": "en-GB"}))
        await page.goto(f"{running.origin}/s?lang={language}")
        await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}", steps)
        my_devices = page.get_by_role("link", name=words["devices"])
        await expect(my_devices).to_have_count(0)  # there are none
        await page.goto(f"{running.origin}/sign/devices?id={contract.id}")
        await page.wait_for_url("**/sign/contract?id=*")
        running.clock.advance(CODE_APART)
        async with verified(running, contract, count=2) as app:
            await app.key(lost := phones.android("小满妈妈的 Pixel 8"))
            await app.key(phones.iphone("iPad"))
        await page.reload()
        await my_devices.click()
        await shot(page, f"devices-{language}")
        phone = page.locator("section", has_text="Pixel 8")
        await expect(phone.get_by_role("button", name=words["revoke"])).not_to_be_visible()  # a question comes first
        await phone.get_by_text(words["lost"]).click()
        await shot(page, f"devices-lost-{language}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await phone.get_by_role("button", name=words["revoke"]).click()
        await expect(page.get_by_role("status")).to_contain_text(words["said"])
        await expect(phone.get_by_text(words["lost"])).to_have_count(0)
        await expect(page.get_by_text(words["lost"])).to_have_count(1)  # the other one stays
        await page.get_by_role("link", name=words["back"]).click()
        await expect(my_devices).to_be_visible()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            key = await tx.app_keys.find_by_public_key(lost.spki)
        assert key is not None and (key.reason, key.revoked_by) == ("by-its-person", f"signer:{key.signer}")
