"""The console in a real browser: its session, many contracts at once, a code on the screen, and the pretend phone."""

from __future__ import annotations

from io import BytesIO

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page, expect

from hub.lifecycle.school.import_roster import load_roster
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.model.staff.scope import EVERYTHING
from hub.settings import PACKED
from hub.web.staff.board.board_stream import CHANGES, StreamPace
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.running import GUARDIAN_PHONE, Running, until

pytestmark = pytest.mark.browser

SECOND = """
  const stream = new EventSource("/staff/changes?part=stream");
  stream.addEventListener("changed", () => dispatchEvent(new Event("told")));
  stream.addEventListener("open", opened);
"""


async def logged_in(running: Running, page: Page) -> Page:
    await page.goto(f"{running.origin}/staff/tasks")
    await page.fill("#login", "demo")
    await page.fill("#password", running.password)
    await page.click("button.primary")
    await page.wait_for_url("**/staff/tasks")
    return page


@pytest.mark.real
async def test_the_menu_closes_by_escape_and_the_board_is_printed_as_a_table(
    running: Running, new_page: NewPage
) -> None:
    await running.issue_minor()
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff")
    menu = page.locator("details.menu > summary")
    await menu.press("Enter")
    link = page.locator("details.menu a").last
    await expect(link).to_be_visible()
    await link.press("Escape")
    await expect(link).to_be_hidden()
    await expect(menu).to_be_focused()
    await menu.press("Enter")
    await page.keyboard.press("Shift+Tab")
    await expect(link).to_be_hidden()
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": 700, "height": 1000})  # paper
    await expect(page.locator(".board thead")).to_be_visible()
    await expect(page.locator(".board tbody input").first).to_be_hidden()


@pytest.mark.real
async def test_many_contracts_are_issued_by_the_worker(running: Running, new_page: NewPage, shot: Shot) -> None:
    data = (PACKED / "demo" / "seeds" / "roster.xlsx").read_bytes()
    await load_roster(running.hub.database, running.hub.services.clock, data, EVERYTHING)
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff/enrolments")
    boxes = page.locator('input[name="enrolment"]')
    for number in range(5):
        await boxes.nth(number).check()
    await expect(page.locator("button.primary").first).to_contain_text("(5)")
    await page.locator("button.primary").first.click()
    await shot(page, "staff-preview")
    await page.locator("button.primary").click()
    await expect(page.locator("h1")).to_contain_text("全部处理完毕，共 5 条")
    await page.goto(f"{running.origin}/staff")
    await expect(page.locator(".row")).to_have_count(5)
    # The board updates itself: meanwhile the worker delivers the messages.
    await expect(page.locator(".row", has_text="已送达")).to_have_count(5)
    await shot(page, "staff-board")


@pytest.mark.real
async def test_the_board_is_told_of_changes_and_takes_nothing_from_a_hand(running: Running, new_page: NewPage) -> None:
    assert running.app
    running.app[CHANGES].pace = StreamPace(look=0.1, tell=0.1)
    await running.issue_minor()
    page = await logged_in(running, await new_page(**DESK))
    # A proxy refuses the first stream, as during an upgrade: the board looks by itself, and listens again later.
    await page.clock.install()
    await page.route("**/staff/changes*", lambda route: route.fulfill(status=502), times=1)
    async with page.expect_response(lambda answer: "part=live" in answer.url):
        await page.goto(f"{running.origin}/staff")
    async with page.expect_response(lambda answer: "/staff/changes" in answer.url and answer.status == 200):
        await page.clock.fast_forward(10_000)
    await running.issue_minor()
    await expect(page.locator(".row")).to_have_count(2)
    box = page.locator('.row input[name="contract"]').first
    await box.check()
    looks: list[str] = []
    page.on("request", lambda request: looks.append(request.url))
    # A second stream of the page says when the board's own was told.
    await page.evaluate(
        "new Promise((opened) => { addEventListener('told', () => { window.told = true; }); " + SECOND + "})"
    )
    third = await running.issue_minor()
    await until(lambda: page.evaluate("window.told"))  # waiting inside the page needs `eval`, which it forbids
    await page.fill('input[name="q"]', "typed")
    assert await box.is_checked() and await page.locator(".row").count() == 2
    assert not any("part=live" in each for each in looks)
    await box.uncheck()
    await page.locator('input[name="q"]').focus()
    await expect(page.locator(".row", has_text=third.number)).to_be_visible()
    assert await page.input_value('input[name="q"]') == "typed"


@pytest.mark.real
async def test_the_code_on_the_screen_can_be_scanned(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await page.click('a[href*="/desk/"]')
    await shot(page, "staff-desk-code")
    (found,) = zxingcpp.read_barcodes(Image.open(BytesIO(await page.screenshot())))
    code = (await page.inner_text(".short-code")).replace("-", "")
    assert found.text == f"{running.origin}/S/{code}".upper()
    assert (await open_ticket(running.hub.services, code)).session.contract == contract.id


@pytest.mark.real
async def test_a_board_without_messages_keeps_each_row_low(running: Running, new_page: NewPage) -> None:
    await running.issue_minor(send="none")
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff?lang=zh")
    box = await until(page.get_by_text("尚未通知").bounding_box)  # none while the board is drawn anew
    assert box["height"] < 30 < box["width"]  # one line, not one character a line


@pytest.mark.real
async def test_pages_fit_a_small_phone(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    page = await logged_in(running, await new_page(**PHONE))
    one = f"/staff/contracts/{contract.id}"
    for number, path in enumerate(
        (
            "/staff",
            "/staff/enrolments",
            "/staff/issue",
            "/staff/import",
            "/staff/tasks",
            one,
            f"{one}/void",
            f"{one}/links/{signer.id}",
            f"{one}/desk/{signer.id}",
            "/demo/phone",
        )
    ):
        for lang in ("zh", "en"):
            answer = await page.goto(f"{running.origin}{path}?lang={lang}")
            assert answer is not None and answer.status == 200
            assert await page.evaluate("document.documentElement.scrollWidth") <= 360, (path, lang)
            await shot(page, f"staff-small-{number}-{lang}")


@pytest.mark.real
async def test_the_pretend_phone_shows_what_arrives(running: Running, new_page: NewPage) -> None:
    page = await new_page(**PHONE)
    await page.goto(f"{running.origin}/demo/phone")
    await running.issue_minor()
    await page.locator(".thread", has_text=GUARDIAN_PHONE).click()
    link = page.locator(".bubble a")
    assert (await link.inner_text()).startswith(f"{running.origin}/s/")
    await link.click()
    await page.wait_for_url("**/s/*")


@pytest.mark.real
async def test_another_phone_number_is_asked_for(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await logged_in(running, await new_page(**DESK))
    await page.goto(f"{running.origin}/staff/contracts/{contract.id}")
    await page.get_by_text("更换手机号……", exact=True).click()
    await page.fill("#phone-1", "19000000199")
    await page.fill("#phone-reason-1", "家长来电，原号码已停用。")
    await shot(page, "staff-phone-asked")
    await page.get_by_role("button", name="提交申请").click()
    await page.wait_for_url("**/staff/phone-changes?said=*")
    await expect(page.get_by_text("须由另一个人批准。")).to_be_visible()
    await expect(page.locator("article")).not_to_contain_text("19000000199")
    await shot(page, "staff-phone-changes")
    await page.get_by_role("button", name="撤回申请").click()
    await expect(page.get_by_text("手机号保持不变。")).to_be_visible()
