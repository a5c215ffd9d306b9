"""Scanners that run the page's scripts in a real browser change nothing, and the link still works afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from hub.model.contract.contract import Contract
from tests.browser.conftest import DESK, PHONE, NewPage
from tests.browser.signer_steps import code_of, come_in, identify, land
from tests.everything_stored import changed, fingerprint
from tests.poster_visits import make_poster
from tests.running import Running
from tests.web.user_agents import PEOPLE

pytestmark = pytest.mark.browser
# As Microsoft's scanner does. With `native` the forms are also submitted without the page's scripts.
SENDS_EVERY_FORM = """
async native => {
    for (const part of document.querySelectorAll('[hidden], details')) { part.hidden = false; part.open = true; }
    const typed = {code: '123456', phone: '13800138000', id_tail: '1234'};
    for (const field of document.querySelectorAll('input, textarea')) {
        if (['radio', 'checkbox'].includes(field.type)) field.checked = true;
        else field.value = typed[field.name] || 'scanner';
    }
    for (const button of document.querySelectorAll('button, [role=button], summary')) button.click();
    for (const form of document.forms) form.requestSubmit();
    if (native) for (const form of document.forms) form.submit();
}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def link(running: Running) -> AsyncIterator[tuple[Contract, str]]:
    """Yield an issued contract with its link. At the end it still has to be issued, not opened, and the link has to
    work."""
    contract = await running.issue_minor()
    await running.message("invitation")
    yield contract, f"{running.origin}/s/{await running.ticket(contract)}"
    assert await running.state(contract) == "ISSUED"


async def pages(running: Running, link: str) -> list[str]:
    _, poster = await make_poster(running)
    ticket = link.rpartition("/")[2]
    return [
        link,
        f"{running.origin}/S/{ticket.lower()}",
        f"{running.origin}/s",
        f"{running.origin}/p/{poster}",
        f"{running.origin}/s/0000000000000",
    ]


async def settled(page: Page) -> None:
    """Wait until scripts have run and their requests have been answered."""
    await page.wait_for_load_state("networkidle")


@pytest.mark.real
@pytest.mark.parametrize(
    "context",
    [
        pytest.param(DESK, id="desk"),
        pytest.param(PHONE | {"user_agent": PEOPLE["WeChat, Android"][1]}, id="phone"),
    ],
)
async def test_running_the_scripts_changes_nothing(
    running: Running, new_page: NewPage, link: tuple[Contract, str], context: dict[str, object]
) -> None:
    contract, address = link
    addresses = await pages(running, address)
    before = await fingerprint(running.hub.database)
    for each in addresses:
        page = await new_page(**context)
        await page.goto(each)
        await settled(page)
        await page.mouse.wheel(0, 5000)
        assert page.url == each and not await page.context.cookies()
    assert changed(before, await fingerprint(running.hub.database)) == []
    page = await new_page()
    await come_in(page, running, address)
    assert str(contract.id) in page.url


@pytest.mark.real
@pytest.mark.parametrize(
    "native",
    [
        pytest.param(False, id="scripted"),
        pytest.param(True, id="native"),
    ],
)
async def test_sending_every_form_changes_nothing(
    running: Running, new_page: NewPage, link: tuple[Contract, str], native: bool
) -> None:
    _, address = link
    addresses = await pages(running, address)
    before = await fingerprint(running.hub.database)
    for each in addresses:
        page = await new_page(**DESK)
        await page.goto(each)
        await settled(page)
        await page.evaluate(SENDS_EVERY_FORM, native)
        await settled(page)
    assert changed(before, await fingerprint(running.hub.database)) == []
    await come_in(await new_page(), running, address)


@pytest.mark.real
async def test_pressing_the_buttons_like_a_person_opens_nothing(
    running: Running, new_page: NewPage, link: tuple[Contract, str]
) -> None:
    """A scanner that cannot be told from a person: a code goes to the phone on file, and nothing more happens without
    it."""
    contract, address = link
    of_the_contract = {"contract", "signing_task", "sign_link", "issued_certificate", "signature_request", "page_seen"}
    before = await fingerprint(running.hub.database)
    page = await new_page(**DESK)
    await page.goto(address)
    await page.locator("[data-act=begin]").click()
    await page.locator("#code").fill("123456")
    await page.locator("#name").fill("scanner")
    await page.locator("#id_tail").fill("1234")
    await page.locator("[data-form=verify] [type=submit]").click()
    await expect(page.locator("#trouble[data-shown=wrong-answer]")).to_be_visible()
    assert not of_the_contract & {*changed(before, await fingerprint(running.hub.database))}
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with running.http.get(f"{running.origin}/api/v1/contracts/{contract.id}", headers=headers) as answer:
        assert [each.get("opened_through") for each in (await answer.json())["signers"]] == [None]
    running.clock.advance(timedelta(seconds=61))  # one code a minute is sent
    person = await new_page()
    await land(person, address)
    await identify(person, await code_of(running, count=2))
    await person.wait_for_url(f"**/sign/contract?id={contract.id}")
