"""A parent signs a set of three documents in one visit, at 360 px: one link, one code, one identity check.

The third document asks for something, with a photo.
"""

from __future__ import annotations

import pytest
from playwright.async_api import FilePayload, Page, expect

from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import PHONE, NewPage, Shot
from tests.browser.signer_steps import come_in, read_to_the_end, sign
from tests.browser.test_bundle import no_sideways, standings
from tests.lifecycle.contract.test_give_answers import photo
from tests.running import GUARDIAN_PHONE, Running

pytestmark = [pytest.mark.browser, pytest.mark.custody]

GO_ON, READ, NEEDED = "继续签署下一份", "下一步：阅读文件", "请填写此项。"


def a_photo(content: bytes) -> FilePayload:
    return {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": content}


async def fill_in(page: Page, shot: Shot) -> None:
    """Send it with something missing first, and with a file that is no photo."""
    await page.locator("#f-health").fill("花生过敏")
    await shot(page, "set-fill-in")
    await page.get_by_role("button", name=READ).click()
    await expect(page.locator(".refused")).to_have_text(NEEDED)
    await no_sideways(page)
    await shot(page, "set-refused")
    await page.locator("#f-emergency_contact").fill("外婆 0551-62880011")
    await page.locator("#f-certificate").set_input_files([a_photo(b"no photo")])
    await page.get_by_role("button", name=READ).click()
    await expect(page.locator(".refused")).to_be_visible()
    await page.locator("#f-certificate").set_input_files([a_photo(photo())])
    await page.get_by_role("button", name=READ).click()


@pytest.mark.real
async def test_a_parent_signs_a_set_of_three_in_one_visit(running: Running, new_page: NewPage, shot: Shot) -> None:
    leader = await running.issue_minor(companions=["data-consent", "safety-notice"], send="none")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        documents = await tx.contracts.list_set(leader)
    page = await new_page(**PHONE)
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(leader)}")
    assert await standings(page) == ["open"] * 3
    await shot(page, "set-first")
    for number, document in enumerate(documents):
        if document.lacks_answers:
            await page.wait_for_url(f"**/sign/answers?id={document.id}")
            await fill_in(page, shot)
        await page.wait_for_url(f"**/sign/contract?id={document.id}")
        await read_to_the_end(page)
        await sign(page)
        await page.wait_for_url("**/sign/done?id=*")
        if number < 2:
            await page.get_by_role("link", name=GO_ON).click()
    for document in documents:
        await running.completed(document)
    await page.locator("body[data-standing=completed]").wait_for()  # the page has reloaded itself, for the last time
    await page.reload()
    assert await standings(page) == ["completed"] * 3
    sent = [each["purpose"] for each in await running.messages(GUARDIAN_PHONE)]
    assert sent.count("code") == 1
