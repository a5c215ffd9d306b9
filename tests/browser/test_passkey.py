"""A browser that confirms with a passkey: Chromium's virtual authenticator, as a phone with a fingerprint reader."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import CDPSession, Page, Route, expect

from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from qianda.verify import verify_bytes
from qianda.verify.findings import Element, Word
from qianda.verify.trust import Trust
from tests.browser.conftest import DESK, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, code_of, draw_name, identify, land, read_to_the_end, sign
from tests.lent_hubs import lent_hub
from tests.passkeys.authenticator import Authenticator
from tests.passkeys.dishonest_authority import naming_passkeys_of_its_own
from tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.custody, pytest.mark.real]
CONFIRM = "同意并确认签署"
NOT_THEIR_PASSKEY = "3: the certificate names a passkey that is not this signer's"
BETWEEN_CODES = timedelta(seconds=61)


@pytest_asyncio.fixture(loop_scope="session")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(host="localhost") as hub:
        yield hub


class Device:
    """The virtual authenticator of one page."""

    def __init__(self, cdp: CDPSession, identifier: str) -> None:
        self._cdp = cdp
        self._identifier = identifier

    @classmethod
    async def of(cls, page: Page, *, verifies: bool = True) -> Device:
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasUserVerification": verifies,
            "isUserVerified": verifies,
            "automaticPresenceSimulation": True,
        }
        made = await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(cdp, made["authenticatorId"])

    async def passkeys(self) -> list[Any]:
        held = await self._cdp.send("WebAuthn.getCredentials", {"authenticatorId": self._identifier})
        return list(held["credentials"])

    async def recognises_its_user(self, yes: bool) -> None:
        await self._cdp.send("WebAuthn.setUserVerified", {"authenticatorId": self._identifier, "isUserVerified": yes})


async def to_the_signature(
    page: Page, running: Running, contract: Contract, count: int = 1, words: dict[str, str] = ZH
) -> None:
    await land(page, f"{running.origin}/s/{await running.ticket(contract)}", words)
    await identify(page, await code_of(running, count=count), words=words)
    await page.wait_for_url("**/sign/contract?id=*")
    await read_to_the_end(page, words)
    await expect(page.get_by_role("button", name=words["sign"])).to_be_enabled()
    await page.bring_to_front()  # a page without focus gets no passkey


async def entries(running: Running, contract: Contract, kind: str) -> list[Any]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return [entry.facts for entry in await tx.record.list_entries(contract.id) if entry.kind == kind]


async def words_behind(running: Running, contract: Contract, fact: Any) -> str:
    """Return the text of a fact from the side table; the record itself contains only a commitment."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return str((await tx.record.get_values(contract.id))[fact["committed"]][1])


async def used(running: Running, final: bytes) -> Word:
    trust = Trust.load(sorted((running.hub.settings.data / "trust").glob("*.pem")))
    report = await asyncio.to_thread(verify_bytes, final, trust)
    return next(each.word for each in report.parties[0].answers if each.element is Element.USED)


async def test_the_first_signature_makes_the_passkey_and_the_second_one_uses_it(
    running: Running, new_page: NewPage, shot: Shot
) -> None:
    page = await new_page()
    device = await Device.of(page)
    ended = []
    running.clock.advance(-2 * BETWEEN_CODES)  # or the CRLs would be from the future
    for number in (1, 2):
        contract = await running.issue_minor()
        await to_the_signature(page, running, contract, number)
        offered = page.get_by_role("button", name=CONFIRM)
        await expect(offered).to_be_visible()
        await draw_name(page)
        await shot(page, f"passkey-offer-{number}")
        await offered.click()
        await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
        ended.append((contract, await running.completed(contract)))
        (passkey,) = await device.passkeys()
        assert passkey["signCount"] == number + 1  # created, and used
        running.clock.advance(BETWEEN_CODES)
    assert [len(await entries(running, contract, "passkey-registered")) for contract, _ in ended] == [1, 0]
    for contract, final in ended:
        (accepted,) = await entries(running, contract, "signature-accepted")
        assert accepted["passkey"] and accepted["assertion_sha256"]
        assert accepted["scripts_reported_sha256"] == accepted["scripts_served_sha256"]
        (deleted,) = await entries(running, contract, "key-deletion-reported")
        assert deleted["certificate_sha256"] == accepted["certificate_sha256"]
        assert await used(running, final) is Word.SHOWN


@pytest.mark.real
async def test_a_browser_that_forgot_asks_the_device_for_what_it_has(running: Running, new_page: NewPage) -> None:
    page = await new_page()
    device = await Device.of(page)
    for number in (1, 2):
        contract = await running.issue_minor()
        await to_the_signature(page, running, contract, number)
        await page.evaluate("localStorage.clear()")
        await page.get_by_role("button", name=CONFIRM).click()
        await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
        running.clock.advance(timedelta(seconds=61))
    assert len(await device.passkeys()) == 1
    assert (await entries(running, contract, "signature-accepted"))[0]["passkey"]


@pytest.mark.real
async def test_a_confirmation_that_was_broken_off_goes_on_with_the_same_certificate(
    running: Running, new_page: NewPage
) -> None:
    page = await new_page()
    device = await Device.of(page)
    contract = await running.issue_minor()
    await to_the_signature(page, running, contract)

    async def finger_slips(route: Route) -> None:  # the passkey has been made, and not used yet
        await device.recognises_its_user(False)
        await route.continue_()

    await page.route("**/sign/v1/prepare*", finger_slips, times=1)
    await page.get_by_role("button", name=CONFIRM).click()
    await expect(page.locator('#trouble[data-shown="not-confirmed"]')).to_be_visible()
    assert await entries(running, contract, "signature-accepted") == []
    await device.recognises_its_user(True)
    await page.locator('#trouble [data-act="confirm"]').click()
    await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
    (issued,) = await entries(running, contract, "certificate-issued")
    (accepted,) = await entries(running, contract, "signature-accepted")
    assert issued["passkey"] == accepted["passkey"] and len(await device.passkeys()) == 1
    assert await used(running, await running.completed(contract)) is Word.SHOWN


# ---- a dishonest hub


@pytest.mark.parametrize("button", [ZH["sign"], CONFIRM])
async def test_a_passkey_of_the_hubs_own_in_the_certificate_is_not_signed_over(
    running: Running, new_page: NewPage, button: str
) -> None:
    with naming_passkeys_of_its_own(running):
        page = await new_page()
        await Device.of(page)
        contract = await running.issue_minor()
        await to_the_signature(page, running, contract)
        async with page.expect_response("**/sign/v1/refused*"):
            await page.get_by_role("button", name=button).click()
        await expect(page.locator('#trouble[data-shown="refused"]')).to_be_visible()
        (refused,) = await entries(running, contract, "signing-refused-by-client")
        assert await words_behind(running, contract, refused["reason"]) == NOT_THEIR_PASSKEY
        assert await entries(running, contract, "signature-accepted") == []


async def test_a_key_that_the_hub_gives_out_as_the_passkeys_is_not_believed(
    running: Running, new_page: NewPage
) -> None:
    page = await new_page()
    device = await Device.of(page)
    for number in (1, 2):
        contract = await running.issue_minor()
        await to_the_signature(page, running, contract, number)
        if number == 2:
            await page.evaluate("localStorage.clear()")
            await page.route("**/sign/v1/passkeys*", with_another_key)
        await page.get_by_role("button", name=CONFIRM).click()
        if number == 1:
            await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
        running.clock.advance(BETWEEN_CODES)
    await expect(page.locator('#trouble[data-shown="not-confirmed"]')).to_be_visible()
    assert len(await device.passkeys()) == 1
    assert await entries(running, contract, "certificate-issued") == []


async def with_another_key(route: Route) -> None:
    honest = await route.fetch()
    other = b64encode(Authenticator().public_key).decode()
    await route.fulfill(response=honest, json={**await honest.json(), "public_keys": [other]})


@pytest.mark.real
async def test_who_declines_signs_without(running: Running, new_page: NewPage, shot: Shot) -> None:
    page = await new_page(**{**DESK, "locale": "en-GB"})
    device = await Device.of(page)
    contract = await running.issue_minor()
    await page.goto(f"{running.origin}/s?lang=en")
    await to_the_signature(page, running, contract, words=EN)
    await shot(page, "passkey-offer-en")
    await device.recognises_its_user(False)
    await page.get_by_role("button", name="Agree, confirm and sign").click()
    await expect(page.get_by_role("heading", name="Your device did not confirm it")).to_be_visible()
    await shot(page, "passkey-declined")
    assert await entries(running, contract, "signature-accepted") == []
    await page.get_by_role("button", name="Sign without it").click()
    await expect(page.get_by_role("heading", name=EN["completed"])).to_be_visible()
    (accepted,) = await entries(running, contract, "signature-accepted")
    assert "passkey" not in accepted and await device.passkeys() == []
    assert await used(running, await running.completed(contract)) is Word.DECLARED


@pytest.mark.real
async def test_a_device_that_verifies_nobody_is_not_asked(running: Running, new_page: NewPage, shot: Shot) -> None:
    page = await new_page()
    await Device.of(page, verifies=False)
    contract = await running.issue_minor()
    await to_the_signature(page, running, contract)
    await expect(page.locator("[data-offer]")).to_be_hidden()
    await shot(page, "passkey-none")
    await sign(page)
    await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()


@pytest.mark.real
async def test_a_script_that_was_swapped_on_its_way_does_not_run(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, f"{running.origin}/s/{await running.ticket(contract)}")
    await identify(page, await code_of(running))
    await page.wait_for_url("**/sign/contract?id=*")
    await page.goto(f"{running.origin}/sign/signature?id={contract.id}")
    await expect(page.get_by_role("button", name=ZH["sign"])).to_be_enabled()

    async def swapped(route: Route) -> None:
        honest = await route.fetch()
        await route.fulfill(response=honest, body=await honest.text() + "\nwindow.swapped = true;\n")

    await page.route("**/signer/checks.js", swapped)  # a module imports it, not the page itself
    async with page.expect_response("**/signer/checks.js"):
        await page.reload()
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("window.swapped") is None
    await expect(page.get_by_role("button", name=ZH["sign"])).to_be_disabled()
