"""What the signer's pages say when a request, or its answer, gets lost: nothing is lost with it."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import NewPage, Shot
from tests.browser.signer_steps import ZH, code_of, come_in, identify, land, read_to_the_end, sign
from tests.running import Running

pytestmark = pytest.mark.browser


@pytest.mark.real
async def test_no_connection_loses_nothing(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
    await read_to_the_end(page)
    await expect(page.get_by_role("button", name="同意并签署")).to_be_enabled()
    await page.route("**/sign/v1/prepare?*", lambda route: route.abort())
    await sign(page)
    await expect(page.get_by_role("heading", name="没有网络连接", exact=True)).to_be_visible()
    await shot(page, "offline")
    await page.unroute("**/sign/v1/prepare?*")
    await page.get_by_role("button", name="再试一次").click()
    await expect(page.get_by_role("heading", name="合同已完成", exact=True)).to_be_visible()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
    assert kinds.count("certificate-issued") == 1  # the key of the first try was still there


async def test_an_answer_that_got_lost_is_no_wrong_answer(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, f"{running.origin}/s/{await running.ticket(contract)}")

    async def lose_answer(route: Route) -> None:
        await route.fetch()  # the browser keeps the cookie that comes with it
        await route.abort()

    await page.route("**/sign/v1/verify*", lose_answer)
    await identify(page, await code_of(running))
    await expect(page.get_by_role("heading", name="没有网络连接", exact=True)).to_be_visible()
    await page.unroute("**/sign/v1/verify*")
    await page.get_by_role("button", name="再试一次").click()
    await page.wait_for_url("**/sign/contract?id=*")


@pytest.mark.real
async def test_a_page_that_did_not_come_is_not_read(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await page.route("**/sign/v1/pages/2.png?*", lambda route: route.abort())
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
    for sheet in await page.locator("[data-page]").all():
        await sheet.evaluate("page => page.scrollIntoView({block: 'end'})")
    await expect(page.get_by_role("alert")).to_contain_text("这一页没有加载出来")
    await page.locator("[data-page='2'] img").dispatch_event("error")  # may follow what the script has found by itself
    await expect(page.get_by_role("alert")).to_have_count(1)
    await expect(page.locator("[data-progress] span")).to_have_text("已读 2 / 3 页")
    await expect(page.get_by_role("link", name=ZH["read"])).to_be_hidden()
    await page.unroute("**/sign/v1/pages/2.png?*")
    await page.get_by_role("button", name="再试一次").click()
    await read_to_the_end(page)


@pytest.mark.real
async def test_pages_that_a_jump_passes_are_read(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
    for image in await page.locator("[data-page] img").all():
        await image.evaluate("image => { image.loading = 'eager'; return image.decode() }")
    await page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    await expect(page.get_by_role("link", name=ZH["read"])).to_be_visible()
