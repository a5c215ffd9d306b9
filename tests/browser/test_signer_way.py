"""The signer's path in a real browser: from the link in the message to the sealed contract."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from hub.model.staff.accounts import EVERYTHING
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, come_in, draw_name, read_to_the_end, sign
from tests.running import Running

pytestmark = [pytest.mark.browser, pytest.mark.real]


@pytest.mark.parametrize(
    ("profile", "words", "name"),
    [
        (PHONE, ZH, "phone"),
        ({**DESK, "locale": "en-GB"}, EN, "desk-en"),
    ],
)
async def test_from_the_link_to_the_sealed_contract(
    running: Running, new_page: NewPage, shot: Shot, profile: dict[str, Any], words: dict[str, str], name: str
) -> None:
    contract = await running.issue_minor()
    page = await new_page(**profile)
    if words is EN:
        await page.goto(f"{running.origin}/s?lang=en")
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}", words)
    await shot(page, f"{name}-read")
    await read_to_the_end(page, words)
    await draw_name(page)
    await shot(page, f"{name}-sign")
    await sign(page, words)
    await expect(page.get_by_role("heading", name=words["completed"])).to_be_visible()
    await shot(page, f"{name}-done")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="PDF").click()
    path = await (await download.value).path()
    final = await running.completed(contract)
    assert path.read_bytes() == final
    facts = await accepted_facts(running, contract)
    assert facts["custody"] == facts["custody_claimed"] == "browser"
    assert facts["pages_seen"] == list(range(1, contract.pages + 1))
    assert facts["shown_sha256"] == contract.document


async def accepted_facts(running: Running, contract: Any) -> Any:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.entries(contract.id)
    return next(entry.facts for entry in entries if entry.kind == "signature-accepted")
