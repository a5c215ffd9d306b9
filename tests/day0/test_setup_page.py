"""The first day through the set-up page, in Chromium, from the wheel.

Questions, a real mail, a seal whose certificate an outside authority issued, and a rehearsal that is signed and holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pyotp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Error as PlaywrightError, Page, async_playwright, expect

from bench.programs.ports import free_port
from tests.authorities.certomancer_pki import CertomancerPki
from tests.browser.conftest import ARGUMENTS, CHROMIUM, PHONE, page_in
from tests.browser.signer_steps import ZH, draw_name, identify, land, read_to_the_end, sign
from tests.channels.doubles.email import PASSWORD, USERNAME, Double
from tests.judges import judge_by_pdfsig, judge_by_qpdf
from tests.running import ADULT_ID, ONE_TIME_CODE, STUDENT_PHONE, until
from tests.setup.given import CAMPUSES, CODE, COURSES
from tests.wheel import InstalledWheel

pytestmark = pytest.mark.real
MAILBOX = "me@school.example"
OWN_PASSWORD = "drei Kraniche ueber dem See"


@dataclass
class SetupDay:
    """A machine with the wheel, a mail server, an outside authority, and a browser on it."""

    installed: InstalledWheel
    authority: CertomancerPki
    mail: Double
    page: Page
    port: int

    @property
    def data(self) -> Path:
        return self.installed.folder / "set-up"

    @property
    def variables(self) -> dict[str, str]:
        return {"QIANDA_DATA": str(self.data), "QIANDA_PORT": str(self.port)}

    async def next(self, **answers: str) -> None:
        """Fill in one step, and go on."""
        for name, value in answers.items():
            await self.page.fill(f"#{name}", value)
        await self.page.get_by_role("button", name="下一步").click()

    async def mailed(self, pattern: str) -> str:
        """Return what the newest mail with this pattern says there, waited for."""

        async def look() -> str | None:
            found = [match[1] for each in self.mail.accepted if (match := re.search(pattern, each.text))]
            return found[-1] if found else None

        return await until(look)

    async def fits(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth") <= 360)


@pytest.fixture
async def day(installed: InstalledWheel, tmp_path: Path) -> AsyncIterator[SetupDay]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    async with AsyncExitStack() as stack:
        authority = await stack.enter_async_context(CertomancerPki(tmp_path / "authority").serving())
        mail = Double()
        await stack.enter_async_context(mail.serving())
        playwright = await stack.enter_async_context(async_playwright())
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        stack.push_async_callback(chromium.close)
        page = await page_in(await chromium.new_context(**PHONE))
        yield SetupDay(installed, authority, mail, page, free_port())


async def test_a_school_is_set_up_and_rehearsed_in_a_browser(day: SetupDay) -> None:
    with day.installed.running("init", "--page", **day.variables) as said:

        async def address() -> str | None:
            found = re.search(r"http://\S+/setup/\S+", said.read_text("utf-8"))
            return found[0] if found else None

        printed = await until(address)
        await _answer(day, printed)
        password = await _install(day)
        await day.page.get_by_role("button", name="完成并启动").click()
        await day.page.get_by_role("link", name="打开工作台").wait_for()
        final = await _rehearse(day, password)
        gone = await day.page.goto(printed)
        assert gone is not None and gone.status == 404
    _judge(day, final)


async def _answer(day: SetupDay, printed: str) -> None:
    page = day.page

    async def opened() -> bool:
        try:
            return bool(await page.goto(printed))
        except PlaywrightError:  # nobody listens yet
            return False

    await until(opened)
    await page.get_by_role("button", name="开始").click()
    await day.next(origin=f"http://127.0.0.1:{day.port}")
    await expect(page.get_by_text("只有本机能访问")).to_be_visible()
    await page.get_by_role("link", name="下一步").click()
    await day.next(name="合肥市明德培训学校", credit_code=CODE[:-1] + "4", licence="教民234010000000001号")
    await expect(page.locator(".fault")).to_contain_text("不是统一社会信用代码")
    await day.next(credit_code=CODE)
    await day.next(table=CAMPUSES)
    await day.next(login="office", name="周示范")
    await day.next(table=COURSES)
    await page.get_by_label("自有证书").check()
    assert await day.fits()
    await day.next()
    await day.next()  # built-in timestamps
    port = str(day.mail.options()["port"])
    await day.next(
        host="127.0.0.1",
        port=port,
        security="none",
        username=USERNAME,
        password=PASSWORD,
        mail_sender="明德 <sign@school.example>",
        to=MAILBOX,
    )
    await page.get_by_role("button", name="发送").click()
    await page.fill("#code", await day.mailed(ONE_TIME_CODE.pattern))
    await page.get_by_role("button", name="提交验证码").click()
    assert await day.fits()
    assert not (day.data / "qianda.toml").exists() and not (day.data / "database").exists()


async def _install(day: SetupDay) -> str:
    """Return the password that was made up."""
    page = day.page
    await page.get_by_role("button", name="安装", exact=True).click()
    await page.wait_for_url("**/setup/done", timeout=120_000)
    password = await page.locator("#password").inner_text()
    assert "a password of the mail server" not in (day.data / "qianda.toml").read_text("utf-8")
    assert not (day.data / "setup.sealed").exists()
    async with page.expect_download() as started:
        await page.get_by_role("link", name="下载证书申请").click()
    request = day.data.parent / "asked.csr"
    await (await started.value).save_as(request)
    asked = x509.load_pem_x509_csr(request.read_bytes())
    assert asked.is_signature_valid
    spki = asked.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    day.authority.add("seal", "合肥市明德培训学校", spki, days=365)
    await page.set_input_files("#certificates", str(day.authority.write("seal")))
    await page.get_by_role("button", name="导入证书").click()
    await expect(page.get_by_role("alert")).to_be_visible()  # those above it are missing
    await page.set_input_files("#certificates", str(day.authority.write("seal", "issuing", "root")))
    await page.get_by_role("button", name="导入证书").click()
    await expect(page.get_by_text("由 Certomancer issuing 签发")).to_be_visible()
    return await page.locator("#password").inner_text() or password


async def _make_account_ready(page: Page, password: str) -> None:
    """Choose a password of one's own and set a second factor up, as the console asks of the first account."""
    await page.fill("#present", password)
    await page.fill("#new", OWN_PASSWORD)
    await page.locator('form[action="/staff/account/password"] button').click()
    await page.wait_for_url("**/staff/account?said=password-changed")
    await page.fill("#factor-password", OWN_PASSWORD)
    await page.locator('form[action="/staff/account/second-factor/begin"] button').click()
    secret = (await page.locator(".code-card code").inner_text()).replace(" ", "")
    await page.fill("#code", pyotp.TOTP(secret).now())
    await page.locator('form[action="/staff/account/second-factor/confirm"] button.primary').click()
    await page.wait_for_url("**/second-factor/confirm")


async def _rehearse(day: SetupDay, password: str) -> Path:
    """Log in, issue the rehearsal, sign it as anybody would; return the finished file."""
    page, origin = day.page, f"http://127.0.0.1:{day.port}"

    async def served() -> bool:
        try:
            answer = await page.goto(f"{origin}/staff/rehearsal")
        except PlaywrightError:  # the hub is just starting
            return False
        return answer is not None and answer.status == 200

    await until(served)
    await page.fill("#login", "office")
    await page.fill("#password", password)
    await page.get_by_role("button", name="登录").click()
    await _make_account_ready(page, password)
    await page.goto(f"{origin}/staff/rehearsal")
    await page.fill("#id_number", ADULT_ID)
    await page.fill("#phone", STUDENT_PHONE)
    await page.fill("#email", MAILBOX)
    await page.get_by_role("button", name="签发演练合同").click()
    await page.wait_for_url("**/staff/contracts/*")
    contract = page.url.partition("?")[0]
    await expect(page.get_by_text("演练，不产生任何效力")).to_be_visible()
    day.mail.accepted[:] = [each for each in day.mail.accepted if "/s/" in each.text]
    await land(page, await day.mailed(r"(http://\S+/s/\S+)"))
    await identify(page, await day.mailed(ONE_TIME_CODE.pattern), "周示范", ADULT_ID[-4:])
    await page.wait_for_url("**/sign/contract?id=*")
    await read_to_the_end(page)
    await draw_name(page)
    await sign(page)
    await expect(page.get_by_text(ZH["completed"]).first).to_be_visible(timeout=60_000)
    answer = await page.request.get(f"{contract}/final.pdf")
    assert answer.status == 200
    final = day.data.parent / "rehearsed.pdf"
    final.write_bytes(await answer.body())
    return final


def _judge(day: SetupDay, final: Path) -> None:
    done = day.installed.run("verify", str(final), "--json", **day.variables)
    report = json.loads(done.stdout)
    parties = {each["field"]: each for each in report["parties"]}
    assert not report["failed"] and parties["seal"]["issuer"] == "Certomancer issuing"
    assert report["contract"]["title"] == "【演练】课程培训服务合同"
    judge_by_qpdf(final)
    judge_by_pdfsig(final, ["student-1", "seal"])
