"""The whole story in a real browser, once through every door, and judged by programs that we did not write."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page, expect

from hub.lifecycle.contract.issue import issue
from hub.lifecycle.contract.new_contract import NewContract, NewSigner, NewStudent
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from tests.browser.conftest import DESK, PHONE, NewPage, Shot, page_in
from tests.browser.signer_steps import EN, ZH, code_of, draw_name, identify, land, read_to_the_end, sign
from tests.commands import verify_command
from tests.judges import judge
from tests.running import ADULT_ID, API_KEY, GUARDIAN_PHONE, PASSWORD, STUDENT_PHONE, Running
from tests.web.user_agents import PEOPLE

pytestmark = pytest.mark.browser
SISTER_ID = "340104201509010026"
LINK = re.compile(r"https?://\S+")


async def finish(page: Page, running: Running, contract: Contract, words: dict[str, str] = ZH) -> bytes:
    """Go from the open contract to the sealed one."""
    await page.wait_for_url("**/sign/contract?id=*")
    await read_to_the_end(page, words)
    await draw_name(page)
    await sign(page, words)
    await expect(page.get_by_role("heading", name=words["completed"])).to_be_visible()
    return await running.completed(contract)


async def check(running: Running, final: bytes, folder: Path, door: str | None, contract: Contract) -> None:
    """Check the file by the outside programs and by our own verifier as a command, and the door that the hub says was
    used."""
    data = running.hub.settings.data
    trust = folder / "trust.pem"
    trust.write_bytes(b"".join(path.read_bytes() for path in sorted((data / "trust").glob("*.pem"))))
    file = folder / "final.pdf"
    file.write_bytes(final)
    judge(file, trust, [*contract.fields, "seal"])
    said = verify_command(file, data)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "not shown" in said.stdout
    if door:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert [task.opened_through for task in await tx.tasks.list_of_contract(contract.id)] == [door]


async def staff_page(running: Running, new_page: NewPage) -> Page:
    page = await new_page(**DESK)
    await page.goto(f"{running.origin}/staff/")
    await page.locator("[name=login]").fill("demo")
    await page.locator("[name=password]").fill(PASSWORD)
    await page.locator("[name=password]").press("Enter")
    await page.wait_for_url(re.compile(r"/staff/?(\?|$)"))
    return page


async def api(running: Running, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with running.http.post(f"{running.origin}/api/v1{path}", json=body, headers=headers) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def first_signer(running: Running, contract: Contract) -> str:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return str((await tx.contracts.list_signers(contract.id))[0].id)


async def test_a_guardian_signs_by_the_link_in_the_message(
    running: Running, new_page: NewPage, shot: Shot, tmp_path: Path
) -> None:
    contract = await running.issue_minor()
    await running.message("invitation")
    page = await new_page()
    await page.goto(f"{running.origin}/demo/phone?phone={GUARDIAN_PHONE.replace('+', '%2B')}")
    await shot(page, "story-phone")
    await page.locator(f"a[href^='{running.origin}/s/']").click()
    await shot(page, "story-landing")
    await page.get_by_role("button", name=ZH["begin"]).click()
    await identify(page, await code_of(running))
    await check(running, await finish(page, running, contract), tmp_path, "sms", contract)
    await shot(page, "story-done")


@pytest.mark.real
async def test_a_guardian_signs_by_the_code_on_the_desk_screen(
    running: Running, new_page: NewPage, shot: Shot, tmp_path: Path
) -> None:
    contract = await running.issue_minor(send="none")
    desk = await staff_page(running, new_page)
    await desk.goto(f"{running.origin}/staff/contracts/{contract.id}/desk/{await first_signer(running, contract)}")
    await shot(desk, "story-desk")
    seen = Image.open(io.BytesIO(await desk.screenshot()))
    decoded = zxingcpp.read_barcode(seen)
    assert decoded is not None
    page = await new_page()
    await land(page, decoded.text)  # requested exactly as decoded
    assert decoded.text == decoded.text.upper()
    await identify(page, await code_of(running))
    await check(running, await finish(page, running, contract), tmp_path, "desk", contract)


@pytest.mark.real
async def test_a_guardian_signs_by_the_app_link_without_the_app(
    running: Running, new_page: NewPage, tmp_path: Path
) -> None:
    contract = await running.issue_minor(send="none")
    asked = {"signer": await first_signer(running, contract), "door": "applink"}
    link = await api(running, f"/contracts/{contract.id}/links", asked)
    assert link["app_url"].startswith("qianda://s/")
    page = await new_page(**PHONE, user_agent=PEOPLE["Chrome, Pixel"][1])
    await page.goto(link["url"])
    await expect(page.locator("[data-act=app]")).to_be_visible()  # offered, never forced
    await page.get_by_role("button", name=ZH["begin"]).click()
    await identify(page, await code_of(running))
    await check(running, await finish(page, running, contract), tmp_path, "applink", contract)


@pytest.mark.real
async def test_a_guardian_signs_at_a_desk(running: Running, new_page: NewPage, shot: Shot, tmp_path: Path) -> None:
    contract = await running.issue_minor()
    page = await new_page(**DESK)
    await land(page, link_in(await running.message("invitation")))
    await identify(page, await code_of(running))
    await page.wait_for_url("**/sign/contract?id=*")
    await shot(page, "story-wide-read")
    await check(running, await finish(page, running, contract), tmp_path, "sms", contract)
    await shot(page, "story-wide-done")


@pytest.mark.real
async def test_siblings_one_code_two_contracts(running: Running, new_page: NewPage, shot: Shot) -> None:
    first = await running.issue_minor()
    sister = NewStudent("陈小雪", "cn-id", SISTER_ID)
    second = await running.issue_minor(student=sister)
    page = await new_page()
    await land(page, link_in(await running.message("invitation")))
    await identify(page, await code_of(running))
    for number, contract in enumerate((first, second)):
        if number:
            await page.goto(f"{running.origin}/sign/contract?id={contract.id}")
        await finish(page, running, contract)
        await shot(page, f"siblings-{number}")
    assert len([each for each in await running.messages() if each["purpose"] == "code"]) == 1


@pytest.mark.real
async def test_coming_back_after_closing_the_browser(running: Running, new_page: NewPage, tmp_path: Path) -> None:
    contract = await running.issue_minor()
    link = link_in(await running.message("invitation"))
    page = await new_page()
    await land(page, link)
    await identify(page, await code_of(running))
    await page.wait_for_url("**/sign/contract?id=*")
    state = await page.context.storage_state()
    browser = page.context.browser
    await page.context.close()
    assert browser
    again = await page_in(await browser.new_context(**PHONE, storage_state=state))
    await again.goto(link)
    await check(running, await finish(again, running, contract), tmp_path, "sms", contract)
    # Much later, when the session is gone, the link and a new code lead to the file.
    running.clock.advance(timedelta(minutes=2))
    later = await new_page()
    await land(later, link)
    await identify(later, await code_of(running, count=2))
    await expect(later.get_by_role("heading", name=ZH["completed"])).to_be_visible()


async def test_declining(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, link_in(await running.message("invitation")))
    await identify(page, await code_of(running))
    await page.wait_for_url("**/sign/contract?id=*")
    await page.goto(f"{running.origin}/sign/decline?id={contract.id}")
    await shot(page, "decline")
    await page.locator("textarea").fill("孩子不报名了")
    await page.locator("button.danger").click()
    await expect(page.locator("button.danger")).to_have_count(0)
    await shot(page, "declined")
    assert await running.state(contract) == "DECLINED"


ADULTS = (
    pytest.param(NewStudent("㛃𠮷䶮", "cn-id", ADULT_ID), {"id_number": ADULT_ID}, ZH, id="rare-characters"),
    pytest.param(
        NewStudent("Maria Gonzalez", "passport", "AB1234567", date(1999, 1, 1)),
        {"id_type": "passport", "id_number": "AB1234567", "language": "en"},
        EN,
        id="passport-in-english",
    ),
)


@pytest.mark.real
@pytest.mark.parametrize(("student", "document", "words"), ADULTS)
async def test_an_adult_student_signs(
    running: Running,
    new_page: NewPage,
    shot: Shot,
    tmp_path: Path,
    student: NewStudent,
    document: dict[str, Any],
    words: dict[str, str],
) -> None:
    signer = replace(NewSigner(Role.STUDENT, student.name, STUDENT_PHONE, ""), **document)
    contract = await issue(running.hub.services, EVERYTHING, NewContract("hefei", student, (signer,), "math-a"), "test")
    page = await new_page(**PHONE if words is ZH else {**PHONE, "locale": "en-GB"})
    await land(page, link_in(await running.message("invitation", STUDENT_PHONE)), words)
    await identify(page, await code_of(running, STUDENT_PHONE), student.name, signer.id_number[-4:].lower(), words)
    await check(running, await finish(page, running, contract, words), tmp_path, "sms", contract)
    await shot(page, f"adult-{signer.language}")


@pytest.mark.real
async def test_the_demo_calendar_moves_three_weeks_and_signing_still_works(
    running: Running, new_page: NewPage, tmp_path: Path
) -> None:
    contract = await running.issue_minor()
    await running.message("invitation")
    # In one step, to an hour at which reminders are sent: at night the reminder would wait for its share of the next
    # day.
    await advance(running, f"{21 * 24 * 60 + minutes_until_ten(running)}m")
    link = link_in(await running.message("reminder"))
    page = await new_page()
    await land(page, link)
    await identify(page, await code_of(running))
    await check(running, await finish(page, running, contract), tmp_path, "sms", contract)
    assert len([each for each in await running.messages() if each["purpose"] == "reminder"]) == 1  # no burst


async def advance(running: Running, step: str) -> None:
    async with running.http.post(f"{running.origin}/demo/clock", json={"advance": step}) as answer:
        assert answer.status == 200


def minutes_until_ten(running: Running) -> int:
    """Return the minutes until ten in the morning at the signer's place."""
    now = running.clock().astimezone(ZoneInfo("Asia/Shanghai"))
    ten = now.replace(hour=10, minute=0)
    return int(((ten if ten > now else ten + timedelta(days=1)) - now).total_seconds() // 60) + 1


def link_in(text: str) -> str:
    found = LINK.search(text)
    assert found
    return found[0]
