"""A seal in a real browser: three people apply and approve, it is granted, used, exhausted, suspended and revoked."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from hub.lifecycle.sealing.seals.manage_seals import find_seal
from hub.lifecycle.sealing.seals.use_seal import begin_seal_uses, end_seal_uses
from hub.lifecycle.staff.api_keys import add_key
from hub.model.sealing.seal_grant import Grantee, GranteeKind
from hub.model.sealing.seal_use import DocumentToSeal, EndedUse, SealAsk, SealUse
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, NewPage, Shot
from tests.running import QUICK, Running
from tests.web.staff_visit import add_staff

pytestmark = pytest.mark.browser

CLIENT = Grantee(GranteeKind.CLIENT, "registry")


async def console_of(running: Running, new_page: NewPage, login: str, role: StaffRole) -> Page:
    await add_staff(running, login, "hq", QUICK, role)
    page: Page = await new_page(**DESK)
    await page.goto(f"{running.origin}/staff/seals")
    await page.fill("#login", login)
    await page.fill("#password", running.password)
    await page.click("button.primary")
    await expect(page.locator("h1")).to_have_text("印章")
    return page


async def use(running: Running, name: str) -> SealUse:
    """Use the seal as the signing service does for one file of a client."""
    seal = await find_seal(running.hub.services, EVERYTHING, name)
    document = DocumentToSeal(uuid4(), "ab" * 32, "file:report.pdf")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        asked = SealAsk(seal.id, frozenset({CLIENT}), "api:registry", "hefei")
        (begun,) = await begin_seal_uses(tx, asked, [document])
        await end_seal_uses(tx, [EndedUse(begun.id, "cd" * 32)])
    return begun


async def make_sm2_side(page: Page, shot: Shot) -> None:
    """Make the SM2 side for trial, from the page of the seal and back to it."""
    await page.click('a[href$="/sm2"]')
    await shot(page, "seal-sm2")
    await page.click('form[action$="/sm2"] button')
    await expect(page.locator("dl.facts").first).to_contain_text("软件密钥：已加密，但没有密钥设备保护 · 试用")


@pytest.mark.real
async def test_a_seal_from_its_application_to_its_end(running: Running, new_page: NewPage, shot: Shot) -> None:
    await add_key(running.hub.services, "registry", "hq", "test")
    ann = await console_of(running, new_page, "ann", StaffRole.HEADQUARTERS)
    await ann.click("text=申请印章")
    await ann.fill("#name", "合肥合同章")
    await ann.select_option("#campus", "hefei")
    await ann.fill("#reason", "合肥校区签约")
    await shot(ann, "seal-new")
    await ann.click("button.primary")
    await expect(ann.locator("h1")).to_have_text("合肥合同章")
    await expect(ann.locator('form[action$="/approve"]')).to_have_count(0)  # not one's own
    address = ann.url.partition("?")[0]
    ben = await console_of(running, new_page, "ben", StaffRole.OWNER)
    cai = await console_of(running, new_page, "cai", StaffRole.SEAL_KEEPER)
    for page in (ben, cai):
        await page.goto(address)
        await page.click('form[action$="/approve"] button')
        await expect(page.locator(".note[role=status]")).to_contain_text("操作成功")
    await cai.click('form[action$="/make"] button')
    await make_sm2_side(cai, shot)
    await cai.click('a[href$="/grant"]')
    await cai.check('input[value="client"]')
    await cai.select_option('select[name="client"]', "registry")
    await cai.fill("#max_uses", "1")
    await shot(cai, "seal-grant")
    await cai.click("button.primary")
    await cai.click('form[action$="/activate"] button')
    await expect(cai.locator(".state").first).to_have_text("使用中")
    assert (await use(running, "合肥合同章")).may_sign
    assert (await use(running, "合肥合同章")).reason == "exhausted"
    await ben.goto(address)
    await expect(ben.locator(".row.grant")).to_contain_text("已用 1 次，共 1 次")
    await expect(ben.locator("tbody tr").first).to_contain_text("次数已用完")
    await expect(ben.locator("tbody tr").last).to_contain_text("已盖章")
    await shot(ben, "seal-used")
    await ben.click('form[action$="/suspend"] button')
    assert (await use(running, "合肥合同章")).reason == "suspended"
    await cai.goto(address)
    await cai.click('a[href$="/revoke"]')
    await shot(cai, "seal-revoke")
    await cai.click("button.danger")
    await expect(cai.locator(".state").first).to_have_text("已吊销")
    assert (await use(running, "合肥合同章")).reason == "revoked"
    await cai.goto(f"{address}/register")
    await expect(cai.locator("tbody tr")).to_have_count(4)
    async with cai.expect_download() as given:
        await cai.click('button[value="csv"]')
    lines = (await (await given.value).path()).read_text("utf-8-sig").splitlines()
    assert len(lines) == 5 and "exhausted" in lines[2]
