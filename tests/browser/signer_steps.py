"""What a signer does, step by step, as a person does it: by the words on the buttons."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.running import GUARDIAN_ID, GUARDIAN_PHONE, ONE_TIME_CODE, Running

ZH = {
    "begin": "获取验证码",
    "next": "下一步",
    "read": "我已阅读，去签署",
    "sign": "同意并签署",
    "completed": "合同已完成",
}
EN = {
    "begin": "Send me the code",
    "next": "Go on",
    "read": "I have read it: go on to sign",
    "sign": "Agree and sign",
    "completed": "The contract is completed",
}


async def code_of(running: Running, phone: str = GUARDIAN_PHONE, count: int = 1) -> str:
    found = ONE_TIME_CODE.search(await running.message("code", phone, count))
    assert found
    return found[0]


async def land(page: Page, link: str, words: dict[str, str] = ZH) -> None:
    await page.goto(link)
    await page.get_by_role("button", name=words["begin"]).click()
    await expect(page.locator("#code")).to_be_visible()


async def identify(
    page: Page, code: str, name: str = "陈建国", id_tail: str = GUARDIAN_ID[-4:], words: dict[str, str] = ZH
) -> None:
    await page.locator("#code").fill(code)
    await page.locator("#name").fill(name)
    await page.locator("#id_tail").fill(id_tail)
    await page.get_by_role("button", name=words["next"], exact=True).click()


async def come_in(page: Page, running: Running, link: str, words: dict[str, str] = ZH) -> None:
    """Go from the link to the open contract."""
    await land(page, link, words)
    await identify(page, await code_of(running), words=words)
    await page.wait_for_url("**/sign/contract?id=*")


async def read_to_the_end(page: Page, words: dict[str, str] = ZH) -> None:
    """Scroll from page to page until the bar offers to sign, and follow it."""
    for image in await page.locator("[data-page]").all():
        await image.scroll_into_view_if_needed()
        await image.locator("img").evaluate("image => image.decode()")
        await image.evaluate("page => page.scrollIntoView({block: 'end'})")
    await page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    await page.get_by_role("link", name=words["read"]).click()
    await page.wait_for_url("**/sign/signature?id=*")


async def draw_name(page: Page) -> None:
    canvas = page.locator("[data-pad]")
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box
    for stroke in (((0.1, 0.2), (0.3, 0.7), (0.5, 0.3)), ((0.6, 0.2), (0.6, 0.8)), ((0.5, 0.5), (0.8, 0.5))):
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        await page.mouse.move(*points[0])
        await page.mouse.down()
        for point in points[1:]:
            await page.mouse.move(*point, steps=5)
        await page.mouse.up()


async def sign(page: Page, words: dict[str, str] = ZH) -> None:
    await page.get_by_role("button", name=words["sign"]).click()
