"""What the signer's pages say when signing is not possible at once: each state has its words, and one next step."""

from __future__ import annotations

import io
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page, Route, expect

from hub.lifecycle.contract.end import expire, void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.browser.conftest import DESK, PHONE, NewPage, Shot
from tests.browser.signer_steps import EN, ZH, code_of, come_in, identify, land, read_to_the_end, sign
from tests.evidence.ended_contracts import package_of
from tests.evidence.forged_packages import items_of, zipped
from tests.running import ADULT_ID, GUARDIAN_ID, GUARDIAN_PHONE, STUDENT_PHONE, Running
from tests.web.signer_visits import code_for

pytestmark = pytest.mark.browser

GUARDIAN = NewSigner(Role.GUARDIAN, "陈建国", GUARDIAN_PHONE, GUARDIAN_ID, relation="父亲", order=2)
STUDENT = NewSigner(Role.STUDENT, "李想", STUDENT_PHONE, ADULT_ID, order=1)
ADULT = NewStudent("李想", "cn-id", ADULT_ID)


async def link(running: Running, contract: Contract) -> str:
    return f"{running.origin}/s/{await running.ticket(contract)}"


async def heading(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", name=words, exact=True)).to_be_visible()


@pytest.mark.real
async def test_a_link_that_is_not_valid_leads_to_a_new_one(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await page.goto(f"{running.origin}/s/0123456789ABC")
    await heading(page, "这个链接已失效")
    await expect(page.get_by_role("button", name="获取验证码")).to_be_hidden()
    await shot(page, "landing-gone")
    await page.get_by_text("或者用手机号查找").click()
    await page.locator("#relink-phone").fill("190 0000 0101")
    await page.get_by_role("button", name="给我发新的链接").last.click()
    await expect(page.get_by_text("消息已经发出").last).to_be_visible()
    assert running.origin in await running.message("new-link")
    await page.goto(f"{running.origin}/s?code=12")
    await expect(page.get_by_role("alert")).to_contain_text("13 位")
    await shot(page, "pickup")
    await page.locator("#entry").fill((await running.ticket(contract)).lower())
    await page.get_by_role("button", name="下一步").click()
    await heading(page, "有合同等您签署")
    await expect(page.get_by_text("合肥校区").first).to_be_visible()
    await shot(page, "landing")


@pytest.mark.real
async def test_a_second_window_says_that_the_code_is_for_the_first(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    first, second = await new_page(), await new_page()
    await land(first, await link(running, contract))
    await second.goto(await link(running, contract))
    await second.get_by_role("button", name=ZH["begin"]).click()
    await expect(second.locator("#trouble")).to_contain_text("请回到那个窗口：验证码只在那里有效")
    await expect(second.locator("[data-code-sent]")).to_be_hidden()  # none was sent for this window
    code = await code_of(running)
    await identify(second, code)
    await heading(second, "信息不一致")
    await expect(second.locator("#trouble")).to_contain_text("只在获取它的窗口有效")
    await identify(first, code)
    await first.wait_for_url("**/sign/contract?id=*")


@pytest.mark.real
async def test_wrong_answers_and_a_question_before_the_code(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, await link(running, contract))
    await identify(page, "000000", "陈小满", "0000")
    await heading(page, "信息不一致")
    await expect(page.locator("[data-form=verify] [aria-invalid=true]")).to_have_count(3)
    await shot(page, "code-wrong")
    await page.get_by_role("button", name="没收到？重新发送").click()
    await heading(page, "请稍候再获取验证码")
    await page.reload()  # the session still exists: no new code is needed
    await expect(page.locator("#code")).to_be_visible()
    await page.get_by_role("button", name="不是我 / 有疑问").click()
    await page.get_by_label("这不是给我的").check()
    await shot(page, "question")
    await page.get_by_role("button", name="发送给学校").click()
    await expect(page.get_by_text("学校已收到您的留言")).to_be_visible()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert "not-me" in [task.kind for task in await tx.staff_tasks.list_open_tasks()]
    for _ in range(9):
        await page.request.post(
            f"{running.origin}/sign/v1/verify",
            headers={"Origin": running.origin},
            data={"code": "000000", "name": "x", "id_tail": "0000"},
        )
    await page.reload()
    await identify(page, "000000")
    await heading(page, "今天已锁定，请明天再试")
    await shot(page, "locked")


@pytest.mark.real
async def test_a_code_guessed_five_times_is_replaced_by_a_tap(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, await link(running, contract))
    for _ in range(5):
        await heading(page, "确认身份")
        async with page.expect_response("**/sign/v1/verify"):
            await identify(page, "000000")
    await heading(page, "此验证码已不能再用")
    running.clock.advance(timedelta(minutes=1))
    await page.locator("#trouble").get_by_role("button", name="重新获取验证码").click()
    await expect(page.locator("#trouble")).to_be_hidden()
    await identify(page, await code_of(running, count=2))
    await page.wait_for_url("**/sign/contract?id=*")


@pytest.mark.real
async def test_a_code_may_be_pasted_with_blanks_and_in_full_width(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await land(page, await link(running, contract))
    code = (await code_of(running)).translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
    await identify(page, f" {code[:3]} {code[3:]} ")
    await page.wait_for_url("**/sign/contract?id=*")


async def test_a_server_that_swaps_the_file_gets_no_signature(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor()
    page = await new_page()

    async def swapped(route: Route) -> None:
        honest = await route.fetch()
        answer = await honest.json()
        update = b64encode(b64decode(answer["update"]).replace(b"/Type", b"/type", 1)).decode("ascii")
        await route.fulfill(response=honest, json={**answer, "update": update})

    await page.route("**/sign/v1/prepare?*", swapped)
    await come_in(page, running, await link(running, contract))
    await read_to_the_end(page)
    async with page.expect_response("**/sign/v1/refused*") as told:
        await sign(page)
    assert (await told.value).status == 200
    await heading(page, "您的手机拒绝了签署")
    await shot(page, "refused")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        kinds = [entry.kind for entry in await tx.record.list_entries(contract.id)]
    assert "signing-refused-by-client" in kinds and "signature-accepted" not in kinds


@pytest.mark.real
async def test_where_no_key_can_be_kept(running: Running, new_page: NewPage, shot: Shot) -> None:
    """It is said before a code is spent; who goes on all the same can read, and gets a code for another device."""
    contract = await running.issue_minor()
    page = await new_page(**{**PHONE, "user_agent": "Mozilla/5.0 MicroMessenger/8.0"})
    await page.add_init_script("IDBFactory.prototype.open = () => { throw new Error('off'); }")
    await page.goto(await link(running, contract))
    await heading(page, "请在浏览器中打开本页面")
    await expect(page.get_by_role("button", name="获取验证码")).to_be_hidden()
    await page.get_by_role("button", name="仍在此继续").click()
    await page.get_by_role("button", name="获取验证码").click()
    await identify(page, await code_for(running))
    await page.wait_for_url("**/sign/contract?*")
    await read_to_the_end(page)
    await heading(page, "请在浏览器中打开本页面")
    await expect(page.get_by_role("button", name="同意并签署")).to_be_hidden()
    await expect(page.locator("[data-qr]")).to_be_visible()
    await shot(page, "no-key")
    decoded = zxingcpp.read_barcode(Image.open(io.BytesIO(await page.locator("[data-qr]").screenshot())))
    elsewhere = await new_page()
    await elsewhere.goto(decoded.text if decoded else "")
    await heading(elsewhere, "有合同等您签署")
    assert page.url.startswith(f"{running.origin}/s/")  # the link that "open in the browser" opens


async def test_no_code_is_spent_where_nothing_can_be_signed(running: Running, new_page: NewPage, shot: Shot) -> None:
    """No WebCrypto, WeChat without storage, no connection, a link or contract that expired: no code is sent there."""
    contract = await running.issue_minor()
    address = await link(running, contract)
    for agent, script, words in (
        ("Mozilla/5.0 Mobile", "Object.defineProperty(crypto, 'subtle', {value: undefined})", "这个浏览器无法保存密钥"),
        ("Mozilla/5.0 MicroMessenger/8.0", "delete window.indexedDB", "请在浏览器中打开本页面"),
    ):
        page = await new_page(**{**PHONE, "user_agent": agent})
        await page.add_init_script(script)
        await page.goto(address)
        await heading(page, words)
        await expect(page.get_by_role("button", name="获取验证码")).to_be_hidden()
        await expect(page.get_by_role("button", name="复制链接")).to_be_visible()
        await shot(page, f"no-key-{agent[-3:-2]}")
    page = await new_page()
    await page.goto(address)
    await page.context.set_offline(True)
    await page.get_by_role("button", name="获取验证码").click()
    await heading(page, "没有网络连接")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        signer = (await tx.contracts.list_signers(contract.id))[0]
        await tx.links.renew([signer.id], tx.now)
    await page.context.set_offline(False)
    await page.get_by_role("button", name="再试一次").click()
    await heading(page, "这个链接已失效")
    late = await running.issue_minor()
    address = await link(running, late)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for each in (contract, late):  # either would be waiting for the same guardian
            await expire(running.hub.services, tx, await tx.contracts.lock_contract(each.id))
    await page.goto(address)
    await heading(page, "您的合同链接")
    await expect(page.get_by_text("目前这里没有需要您签署的内容")).to_be_visible()
    await shot(page, "landing-expired")
    assert "code" not in [each["purpose"] for each in await running.messages()]


@pytest.mark.real
async def test_turns_withdrawal_and_the_end_of_a_visit(running: Running, new_page: NewPage, shot: Shot) -> None:
    contract = await running.issue_minor(student=ADULT, signers=(STUDENT, GUARDIAN))
    page = await new_page(**{**DESK, "locale": "en-GB"})
    await page.goto(f"{running.origin}/s?lang=en")
    await land(page, f"{running.origin}/s/{await running.ticket(contract, number=1)}", EN)
    await identify(page, await code_for(running), words=EN)
    await heading(page, "It is not your turn yet")
    await shot(page, "waiting-en")
    async with SigningClient(running.origin) as student:
        await student.open(await running.ticket(contract))
        await student.code()
        await student.verify(await code_for(running, STUDENT_PHONE), "李想", ADULT_ID[-4:])
        await student.sign()
    await page.wait_for_url("**/sign/contract?*")  # the page looked again by itself
    await expect(page.get_by_text("has signed")).to_be_visible()
    await void(running.hub.services, EVERYTHING, contract.id, "a mistake", "test")
    await page.get_by_role("link", name="I do not want to sign").click()
    await heading(page, "The school has withdrawn the contract")
    await shot(page, "withdrawn-en")
    await page.context.clear_cookies(name="__Host-qianda")
    await page.reload()
    await heading(page, "Your visit has ended")
    await shot(page, "ended-en")


@pytest.mark.real
async def test_an_english_page_calls_school_and_campus_in_english(running: Running, new_page: NewPage) -> None:
    """This also holds if only the browser chose English, and the signer's language on file is Chinese."""
    contract = await running.issue_minor()
    english, chinese = "New Course Education Group · Hefei campus", "新航线教育集团 · 合肥校区"
    for locale, named in (("en-GB", english), ("zh-CN", chinese)):
        page = await new_page(**{**PHONE, "locale": locale})
        await page.goto(await link(running, contract))
        await page.get_by_role("button", name=(EN if locale == "en-GB" else ZH)["begin"]).click()
        await expect(page.locator("[data-campus]")).to_have_text(named)
        running.clock.advance(timedelta(minutes=2))  # until another code may be sent


@pytest.mark.real
async def test_a_document_that_changed_is_read_again(running: Running, new_page: NewPage, shot: Shot) -> None:
    both = tuple(replace(each, order=1) for each in (GUARDIAN, STUDENT))
    contract = await running.issue_minor(student=ADULT, signers=both)
    page = await new_page()
    await come_in(page, running, await link(running, contract))
    await read_to_the_end(page)
    await expect(page.get_by_role("button", name="同意并签署")).to_be_enabled()
    async with SigningClient(running.origin) as student:
        await student.open(await running.ticket(contract, number=1))
        await student.code()
        await student.verify(await code_for(running, STUDENT_PHONE), "李想", ADULT_ID[-4:])
        before = (await student.contract()).document_sha256
        await student.sign()
        while (await student.contract()).document_sha256 == before:  # until the hub has embedded it
            await page.wait_for_timeout(50)
    await sign(page)
    await heading(page, "合同刚有了新的签名")
    await shot(page, "changed")
    await page.get_by_role("button", name="再看一遍合同").click()
    await expect(page.get_by_role("status").first).to_contain_text("您查看之后")
    await read_to_the_end(page)
    await sign(page)
    await heading(page, "合同已完成")


@pytest.mark.real
async def test_anybody_may_check_a_contract(running: Running, new_page: NewPage, shot: Shot, tmp_path: Any) -> None:
    contract = await running.issue_minor()
    async with SigningClient(running.origin) as client:
        await client.open(await running.ticket(contract))
        await client.code()
        await client.verify(await code_for(running), "陈建国", GUARDIAN_ID[-4:])
        await client.sign()
    final = await running.completed(contract)
    package = await package_of(running, contract)
    items = items_of(package)
    page = await new_page()
    for name, content, words in (
        ("right.pdf", final, "没有不通过的项目"),
        ("wrong.pdf", final.replace(b"/MediaBox", b"/MediaBux", 1), "有不通过的项目"),
        ("none.pdf", b"no PDF at all", "无法读取这个文件"),
        ("right.zip", package, "没有不通过的项目"),
        ("wrong.zip", zipped({**items, "contract/contract.json": b"{}"}.items()), "证据包"),
    ):
        (tmp_path / name).write_bytes(content)
        await page.goto(f"{running.origin}/verify")
        await page.locator("#file").set_input_files(tmp_path / name)
        await page.get_by_role("button", name="开始验证").click(no_wait_after=True)
        await expect(page.get_by_role("heading", name=words)).to_be_visible(timeout=60_000)
        await expect(page.locator(".note.wrong")).to_have_count(0 if name.startswith("right") else 1)
        await shot(page, f"check-{name.replace('.', '-')}")
        if name == "right.pdf":
            await shows_the_bytes(page, final)
    await page.goto(f"{running.origin}/verify")
    await page.locator("#file").set_input_files([tmp_path / "right.pdf", tmp_path / "right.zip"])
    await page.get_by_role("button", name="开始验证").click(no_wait_after=True)
    await expect(page.get_by_text("与 right.pdf 一并验证")).to_be_visible(timeout=60_000)
    await expect(page.locator(".note.wrong")).to_have_count(0)
    async with running.http.post(f"{running.origin}/verify", data=final) as answer:
        said = await answer.json()
        assert answer.status == 200 and said["failed"] is False and len(said["parties"]) == 2


async def shows_the_bytes(page: Page, final: bytes) -> None:
    """Each signature and the timestamp of the file has a row: what it covers ends where the next one begins to add, and
    only its own value is left out; the last one covers all."""
    rows = page.locator(".covered tbody tr")
    await expect(rows).to_have_count(final.count(b"/ByteRange"))
    ends = []
    for number in range(await rows.count()):
        parts = [part.split(" – ") for part in await rows.nth(number).locator(".line").all_inner_texts()]
        (first, gap), (resumed, last) = [[int(each.replace(",", "")) for each in part] for part in parts]
        assert first == 0 and final[gap + 1 : gap + 2] == b"<" and final[resumed - 1 : resumed] == b">"
        assert await rows.nth(number).locator("rect.part").count() == 2
        ends.append(last)
    assert ends == sorted(ends) and ends[-1] == len(final) - 1


@pytest.mark.real
async def test_the_last_page_says_that_it_could_not_look_again(running: Running, new_page: NewPage) -> None:
    """While somebody else has still to sign, it looks again by itself."""
    contract = await running.issue_minor(student=ADULT, signers=(STUDENT, GUARDIAN))
    page = await new_page()
    await land(page, await link(running, contract))
    await identify(page, await code_of(running, STUDENT_PHONE), "李想", ADULT_ID[-4:])
    await page.wait_for_url("**/sign/contract?id=*")
    await page.goto(page.url.replace("/sign/contract", "/sign/signature"))
    await page.route("**/sign/v1/contract?*", lambda route: route.fulfill(status=429, json={"code": "too-many"}))
    await sign(page)
    await page.wait_for_url("**/sign/done?id=*")
    again = page.locator("#trouble").get_by_role("button", name="再试一次")
    await expect(again).to_be_visible()
    await page.unroute_all()
    await again.click()
    await expect(page.locator("#trouble")).to_be_hidden()
