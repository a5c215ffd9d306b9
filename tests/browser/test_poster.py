"""A parent scans a poster, picks a course for the child, and signs; and what the page says if that is not possible."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import timedelta

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page, expect

from hub.lifecycle.school.posters import code_of
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, NewPage, Shot
from tests.browser.signer_steps import ZH, code_of as code_in_message, draw_name, read_to_the_end, sign
from tests.poster_visits import Family, cn_id, counts, make_poster
from tests.running import Running

pytestmark = pytest.mark.browser


async def tap(page: Page, name: str) -> None:
    await page.get_by_role("button", name=name, exact=True).locator("visible=true").click()


async def at_step(page: Page, number: int) -> None:
    """Every step of the way says which one it is."""
    await expect(page.locator(".step:visible")).to_have_text(f"第 {number} 步，共 5 步")


async def prove_the_phone(page: Page, running: Running, family: Family, shot: Shot | None = None) -> None:
    await tap(page, "我要报名")
    await at_step(page, 1)
    await page.locator("#name").fill(family.parent)
    await page.locator("#phone").fill(family.phone.removeprefix("+86"))
    if shot:
        await shot(page, "poster-2-who")
    await tap(page, "获取验证码")
    await expect(page.locator("#code")).to_be_visible()
    await at_step(page, 2)
    await page.locator("#code").fill(await code_in_message(running, family.phone))
    if shot:
        await shot(page, "poster-3-code")
    await tap(page, "下一步")


@pytest.mark.real
async def test_from_the_paper_to_the_sealed_contract(running: Running, new_page: NewPage, shot: Shot) -> None:
    poster, ticket = await make_poster(running, ("math-a", "english-b"))
    family = Family()
    printed = Image.open(io.BytesIO(code_of(running.hub.services, ticket).png or b""))
    page = await new_page()
    await page.goto(zxingcpp.read_barcodes(printed)[0].text)  # in upper case, as printed
    await expect(page.get_by_role("heading", name=poster.title)).to_be_visible()
    await shot(page, "poster-1-start")
    await prove_the_phone(page, running, family, shot)
    await page.get_by_role("radio", name="英语口语B").check()
    await at_step(page, 3)
    await shot(page, "poster-4-course")
    await tap(page, "下一步")
    await at_step(page, 4)
    await page.locator("#student_name").fill(family.child)
    await page.locator("#student_number").fill(family.child_id[:-1] + ("0" if family.child_id[-1] != "0" else "1"))
    await tap(page, "下一步")
    await expect(page.locator("#student_number")).to_have_attribute("aria-invalid", "true")
    await page.locator("#student_number").fill(family.child_id)
    await shot(page, "poster-5-student")
    await page.reload()  # the phone stays proved; what was entered about the child is stored nowhere
    await expect(page.get_by_role("heading", name="请选择课程")).to_be_visible()
    await page.get_by_role("radio", name="英语口语B").check()
    await tap(page, "下一步")
    await page.locator("#student_name").fill(family.child)
    await page.locator("#student_number").fill(family.child_id)
    await tap(page, "下一步")
    await expect(page.locator("[data-own-phone]")).to_have_text(family.phone)
    await page.go_back()
    await expect(page.locator("#student_name")).to_have_value(family.child)
    await page.go_forward()
    await page.locator("#relation").select_option("父亲")
    await page.locator("#own_number").fill(family.parent_id)
    await at_step(page, 5)
    await shot(page, "poster-6-guardian")
    await tap(page, "生成合同")
    await page.wait_for_url("**/sign/contract?id=*")
    await expect(page.get_by_text(family.child).first).to_be_visible()
    await read_to_the_end(page)
    await draw_name(page)
    await sign(page)
    await expect(page.get_by_role("heading", name=ZH["completed"])).to_be_visible()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        contract = (await tx.contracts.list_page())[0]
    assert await running.completed(contract) and contract.course == "english-b"
    assert await counts(running, poster) == [1, 1, 1]
    await page.goto(f"{running.origin}/p/{ticket}")
    await expect(page.get_by_role("link", name="继续查看合同")).to_be_visible()
    await shot(page, "poster-7-back")


@pytest.mark.real
async def test_the_reasons_why_not_and_staff_who_look_first(running: Running, new_page: NewPage, shot: Shot) -> None:
    _, ticket = await make_poster(running, mode="ask", maximum=1)
    child = Family(parent="陈小满")
    page = await new_page(**{**DESK, "locale": "zh-CN"})
    await page.goto(f"{running.origin}/p/{ticket}")
    await shot(page, "poster-desk-start")
    await prove_the_phone(page, running, child)
    await tap(page, "确认，下一步")
    await page.get_by_text("本人（已满 18 周岁）").click()
    await expect(page.locator("#student_name")).to_be_hidden()
    await page.locator("#student_number").fill(child.child_id)
    await tap(page, "下一步")
    await expect(page.get_by_role("heading", name="未满 18 周岁须由监护人签署")).to_be_visible()
    await shot(page, "poster-minor")
    await tap(page, "由监护人重新填写")
    grown = Family(parent="李想", child_id=cn_id("19990101"))
    await page.locator("#name").fill(grown.parent)
    await page.locator("#phone").fill(grown.phone.removeprefix("+86"))
    await tap(page, "获取验证码")
    await page.locator("#code").fill("0000")
    await tap(page, "下一步")
    await expect(page.locator("#code")).to_have_attribute("aria-invalid", "true")
    running.clock.advance(timedelta(minutes=2))
    await tap(page, "换一种方式：打电话播报验证码")
    await expect(page.locator("[data-code-sent]")).to_contain_text("拨打您填写的手机号")
    await shot(page, "poster-called")
    code = await code_in_message(running, grown.phone, 2)
    await page.locator("#code").fill(f" {code[:3]} {code[3:]} ")  # as pasted
    await tap(page, "下一步")
    await tap(page, "确认，下一步")
    await page.locator("#student_number").fill(grown.child_id)
    await tap(page, "下一步")
    await expect(page.get_by_role("heading", name="学校已收到您的报名")).to_be_visible()
    await shot(page, "poster-asked")
    await page.reload()
    await expect(page.get_by_role("heading", name="学校已收到您的报名")).to_be_visible()
    late = await new_page()
    await late.goto(f"{running.origin}/p/{ticket}?lang=en")
    await expect(late.get_by_role("heading", name="All places are taken")).to_be_visible()
    await shot(late, "poster-full-en")


@pytest.mark.real
async def test_a_poster_for_one_course_says_when_the_hub_does_not_take_it(running: Running, new_page: NewPage) -> None:
    _, ticket = await make_poster(running)
    family = Family(parent="李想", child_id=cn_id("19990101"))
    page = await new_page()
    await page.goto(f"{running.origin}/p/{ticket}")
    await prove_the_phone(page, running, family)
    await tap(page, "确认，下一步")
    await page.get_by_text("本人（已满 18 周岁）").click()
    await page.locator("#student_number").fill(family.child_id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        course = await tx.school.get_course("hefei", "math-a")
        await tx.school.put_course(replace(course, details={}))  # the school edits it meanwhile
    await tap(page, "下一步")
    await expect(page.locator("#trouble")).to_be_visible()
    assert await page.locator("#trouble").get_attribute("data-shown") == "bad-input"
