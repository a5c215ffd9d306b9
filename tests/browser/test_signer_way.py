"""The signer's path in a real browser: from the link in the message to the sealed contract."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from hub.model.staff.scope import EVERYTHING
from hub.web.signer.pages import TEXT_VERSION
from tests.browser.conftest import DESK, PHONE, SMALL, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, come_in, draw_name, read_to_the_end, sign
from tests.running import Running
from tests.web.user_agents import PEOPLE

pytestmark = [pytest.mark.browser, pytest.mark.real]


@pytest.mark.parametrize(
    ("profile", "words", "name"),
    [
        ({**PHONE, "user_agent": PEOPLE["Mi Browser"][1]}, ZH, "phone"),
        ({**DESK, "locale": "en-GB"}, EN, "desk-en"),
    ],
)
async def test_from_the_link_to_the_sealed_contract(
    running: Running, new_page: NewPage, shot: Shot, profile: dict[str, Any], words: dict[str, str], name: str
) -> None:
    contract = await running.issue_minor()
    page = await new_page(**profile)
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    if words is EN:
        await page.goto(f"{running.origin}/s?lang=en")
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}", words)
    await shot(page, f"{name}-read")
    if name == "phone":
        await makes_the_pages_larger(page)
    await read_to_the_end(page, words)
    await draw_name(page)
    await shot(page, f"{name}-sign")
    await sign(page, words)
    await expect(page.get_by_role("heading", name=words["completed"])).to_be_visible()
    await shot(page, f"{name}-done")
    await page.emulate_media(media="print", color_scheme="dark")
    await expect(page.get_by_role("link", name="PDF")).to_be_hidden()  # nothing that can only be pressed
    await expect(page.get_by_role("navigation")).to_be_hidden()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    await page.emulate_media(media="screen", color_scheme="light")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="PDF").click()
    path = await (await download.value).path()
    final = await running.completed(contract)
    assert path.read_bytes() == final
    facts = await accepted_facts(running, contract)
    assert facts["custody"] == facts["custody_claimed"] == "browser"
    first = TEXT_VERSION if name == "phone" else 1
    assert facts["pages_seen"] == list(range(first, contract.pages + 1))
    of_the_document = [url for url in fetched if "/pages/" in url or url.partition("?")[0].endswith("/document.pdf")]
    assert len(of_the_document) == len(set(of_the_document)) and f"document={contract.document}" in of_the_document[0]
    assert facts["shown_sha256"] == contract.document


async def accepted_facts(running: Running, contract: Any) -> Any:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    return next(entry.facts for entry in entries if entry.kind == "signature-accepted")


async def makes_the_pages_larger(page: Page) -> None:
    """The text comes first. The pages below it are made larger where they are; the page itself does not get wider."""
    text, pages = page.locator("article"), page.locator("[data-pages]")
    above, below = await text.bounding_box(), await pages.bounding_box()
    assert above and below and above["y"] < below["y"]
    await page.get_by_role("button", name="放大").click()
    assert await pages.evaluate("pages => pages.scrollWidth > 1.4 * pages.clientWidth")
    assert await page.evaluate("document.documentElement.scrollWidth") <= SMALL["width"]
    await page.get_by_role("button", name="缩小").click()
    assert await pages.evaluate("pages => pages.scrollWidth <= pages.clientWidth + 2")
