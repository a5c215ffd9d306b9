"""The app's whole story: the page on a phone offers the app, which takes the link and signs, and the page says so."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from qianda.client import SigningClient
from tests.browser.conftest import PHONE, NewPage, Shot
from tests.browser.signer_steps import ZH, code_of, identify
from tests.commands import verify_command
from tests.custody.app import hub_with_an_app
from tests.custody.test_own_certificate import facts_of
from tests.running import GUARDIAN_ID
from tests.web.user_agents import PEOPLE

pytestmark = [pytest.mark.browser, pytest.mark.custody, pytest.mark.real]
# As Android understands it: the app is given `qianda://s/…`.
INTENT = re.compile(r"intent://s/([0-9A-Z]+)#Intent;scheme=qianda;")


async def test_from_the_page_to_the_app_and_back(tmp_path: Path, new_page: NewPage, shot: Shot) -> None:
    async with hub_with_an_app(tmp_path) as phones:
        running = phones.running
        contract = await running.issue_minor()
        page = await new_page(**PHONE, user_agent=PEOPLE["Chrome, Pixel"][1])
        await page.goto(f"{running.origin}/s/{await running.ticket(contract)}")
        opened = await page.locator("[data-act=app]").get_attribute("href")
        asked = INTENT.match(opened or "")
        assert asked, opened
        async with SigningClient(running.origin) as app:
            await app.open(asked[1])
            await app.code()
            await app.verify(await code_of(running), "陈建国", GUARDIAN_ID[-4:])
            signed = await app.sign(phones.android("Chen's phone"), str(contract.id))
        assert (signed.state, app.custody) == ("SIGNED", "app-keystore")
        final = tmp_path / "final.pdf"
        final.write_bytes(await running.completed(contract))
        running.clock.advance(timedelta(seconds=61))
        await page.get_by_role("button", name=ZH["begin"]).click()
        await identify(page, await code_of(running, count=2))
        await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
        await shot(page, "app-done")
        (accepted,) = await facts_of(running, contract, "signature-accepted")
        assert (accepted["custody"], accepted["custody_claimed"]) == ("app-keystore", "app-keystore")
        done = await asyncio.to_thread(verify_command, final, running.hub.settings.data)
        assert done.returncode == 0, done.stdout + done.stderr
