"""A contract that a key made in a browser may not sign: the page says which key may."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, come_in, read_to_the_end
from tests.running import demanding_templates, running_hub
from tests.web.user_agents import PEOPLE

pytestmark = [pytest.mark.browser, pytest.mark.custody]


@pytest.mark.real
async def test_from_the_contract_to_the_ways(tmp_path: Path, new_page: NewPage, shot: Shot) -> None:
    templates = demanding_templates(tmp_path / "t", 'custody = ["usb-token", "app-keystore"]')
    async with running_hub(templates=templates) as running:
        contract = await running.issue_minor()
        page = await new_page(**{**PHONE, "locale": "en-GB", "user_agent": PEOPLE["Chrome, Pixel"][1]})
        await page.goto(f"{running.origin}/s?lang=en")
        link = f"{running.origin}/s/{await running.ticket(contract)}"
        await come_in(page, running, link, EN)
        await expect(page.get_by_role("link", name="what you can sign with")).to_be_visible()
        await read_to_the_end(page, EN)
        await expect(page.get_by_role("heading", name="This contract needs a key of another kind")).to_be_visible()
        await expect(page.get_by_alt_text("QR code of your link")).to_be_visible()  # for a computer with the token
        assert await page.get_by_role("button", name=EN["sign"]).count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await shot(page, "other-key-en")
        await page.get_by_role("link", name="中文").click()
        await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
