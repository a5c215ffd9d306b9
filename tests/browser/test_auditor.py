"""An auditor reads one contract's page, may change nothing there, and has its file and its evidence judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from hub.model.staff.roles import StaffRole
from tests.browser.conftest import DESK, NewPage, Shot
from tests.evidence.ended_contracts import package_of
from tests.lifecycle.signer import completed, signed
from tests.running import Running
from tests.web.staff_visit import add_staff

pytestmark = [pytest.mark.browser, pytest.mark.real]

# Each act on a contract is the form of a button; whoever only reads has the one that logs out.
LOG_OUT = "/staff/logout"


async def judged(page: Page, running: Running, file: Path) -> None:
    """Bring a file to the public page. Nothing of it may have failed."""
    await page.goto(f"{running.origin}/verify")
    await page.locator("#file").set_input_files(file)
    await page.get_by_role("button", name="开始验证").click(no_wait_after=True)
    await expect(page.get_by_role("heading", name="没有不通过的项目")).to_be_visible(timeout=60_000)


async def downloaded(page: Page, name: str) -> Path:
    async with page.expect_download() as coming:
        await page.get_by_role("link", name=name).first.click()
    return Path(await (await coming.value).path())


async def test_an_auditor_reads_one_contract_and_its_verdict(
    running: Running, new_page: NewPage, shot: Shot, tmp_path: Path
) -> None:
    contract = await running.issue_minor()
    await signed(running, contract)
    final = await completed(running, contract)
    await package_of(running, contract)
    await add_staff(running, "auditor", "hefei", role=StaffRole.AUDITOR)
    page = await new_page(**DESK)
    await page.goto(f"{running.origin}/staff?q={contract.number}")
    await page.fill("#login", "auditor")
    await page.fill("#password", running.password)
    await page.click("button.primary")
    await page.locator(f"a[href='/staff/contracts/{contract.id}']").first.click()
    for words in ("监护人", "已签署", "同意声明", "存证记录的哈希链完整"):
        await expect(page.get_by_text(words).first).to_be_visible()
    forms = await page.locator("form").evaluate_all("forms => forms.map(form => new URL(form.action).pathname)")
    assert forms == [LOG_OUT]
    await shot(page, "auditor-contract")
    kept = {"right.pdf": await downloaded(page, "下载已完成的合同"), "right.zip": await downloaded(page, "证据包")}
    for name, file in kept.items():
        (tmp_path / name).write_bytes(file.read_bytes())
    assert (tmp_path / "right.pdf").read_bytes() == final
    for name in kept:
        await judged(page, running, tmp_path / name)
        await shot(page, f"auditor-{name[-3:]}")
