"""The whole story of a USB token: a page on a desktop, the agent as a process with its terminal, a SoftHSM token."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from hub.errors import TokenUnavailable
from hub.tokens import softhsm
from qianda.client import SigningClient
from qianda.holder import SoftwareKey
from qianda.wire import ProtocolProblem
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, code_of, come_in, identify, land, read_to_the_end
from tests.custody.agent_process import agent
from tests.custody.outside_authority import TOKEN_POLICY, ec_key, person
from tests.custody.test_own_certificate import facts_of, hub_that_trusts
from tests.custody.usb_token import PIN, UsbToken
from tests.running import Running

ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile "
    "Safari/537.36"
)
CODE = re.compile(r"^[0-9A-Z]{4} [0-9A-Z]{4}$")
pytestmark = [pytest.mark.browser, pytest.mark.custody, pytest.mark.real]


async def test_from_the_page_to_the_token_and_back(tmp_path: Path, new_page: NewPage, shot: Shot) -> None:
    try:
        softhsm.module_path()
    except TokenUnavailable as reason:
        pytest.skip(str(reason))
    token = UsbToken.make(tmp_path / "usb")
    async with hub_that_trusts(tmp_path) as place:
        running, key = place.running, ec_key()
        certificate = place.authority.issue(key.public_key(), person("陈建国"), policies=[TOKEN_POLICY])
        token.put(key, *place.authority.chain(certificate))
        contract = await running.issue_minor()
        page = await new_page(**DESK)
        await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
        await read_to_the_end(page)
        await page.get_by_role("link", name="我有 USB Key").click()
        await shot(page, "usb-begin")
        await page.get_by_role("button", name="显示配对码").click()
        code = page.locator("[data-code]")
        await expect(code).to_have_text(CODE)
        await shot(page, "usb-code")
        typed = await code.inner_text()
        async with agent(token, "--origin", running.origin, "--module", token.module, language="zh") as program:
            await program.answer("页面上的配对码: ", typed)
            await expect(page.get_by_role("heading", name="签署助手已连接")).to_be_visible()
            await shot(page, "usb-claimed")
            await program.read(str(contract.document))
            await program.answer("序号）: ", "1")
            await program.answer("请输入 yes: ", "yes")
            await program.read("的 PIN（输入时不显示）: ")
            program.type(PIN)
            await expect(page.get_by_role("heading", name="这是您的证书吗")).to_be_visible()
            await expect(page.locator("[data-certificate=name]")).to_have_text("陈建国")
            await expect(page.locator("[data-certificate=custody]")).to_contain_text("在 USB Key 中")
            await shot(page, "usb-certificate")
            await page.get_by_role("button", name="是的，用它签署").click()
            await program.read("已签署")
            assert await program.ended() == 0
        await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
        (accepted,) = await facts_of(running, contract, "signature-accepted")
        assert (accepted["custody"], accepted["custody_claimed"]) == ("usb-token", "usb-token")
        assert accepted["pages_seen"] == list(range(1, contract.pages + 1))


async def test_not_my_certificate_and_no_ports_on_a_phone(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page(**{**DESK, "locale": "en-GB"})
    await page.goto(f"{running.origin}/s?lang=en")
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}", EN)
    await page.goto(f"{running.origin}/sign/signature?id={contract.id}")
    await page.get_by_role("link", name="I have a USB token").click()
    await page.get_by_role("button", name="Show the pairing code").click()
    code = page.locator("[data-code]")
    await expect(code).to_have_text(CODE)
    await shot(page, "usb-code-en")
    async with SigningClient(running.origin) as stranger:
        await stranger.claim(await code.inner_text())
        await stranger.key(SoftwareKey())
        await expect(page.locator("[data-certificate=custody]")).to_contain_text("claimed to be on a token")
        await shot(page, "usb-certificate-en")
        await page.get_by_role("button", name="No, this is not mine").click()
        await expect(page.get_by_role("heading", name="no longer connected")).to_be_visible()
        await shot(page, "usb-ended-en")
        with pytest.raises(ProtocolProblem, match="session-not-valid"):
            await stranger.contract()
    await page.get_by_role("button", name="Show the pairing code").click()
    await expect(page.get_by_role("heading", name="Start the agent")).to_be_visible()
    async with SigningClient(running.origin) as stopped:  # an agent that ends here tells the page nothing
        await stopped.claim(await code.inner_text())
        await page.get_by_role("button", name="The agent has stopped").click()
        await expect(page.get_by_role("heading", name="no longer connected")).to_be_visible()
    await page.get_by_role("button", name="Show the pairing code").click()
    await expect(page.get_by_role("heading", name="Start the agent")).to_be_visible()
    phone = await new_page(**{**PHONE, "user_agent": ANDROID})
    running.clock.advance(timedelta(seconds=61))
    await land(phone, f"{running.origin}/s/{await running.ticket(contract)}")
    await identify(phone, await code_of(running, count=2))
    await phone.wait_for_url("**/sign/contract?id=*")
    await phone.goto(f"{running.origin}/sign/signature?id={contract.id}")
    await expect(phone.get_by_role("button", name=ZH["sign"])).to_be_visible()
    assert await phone.get_by_role("link", name="USB Key").count() == 0
