"""Staff read what was sent: pages and file of a contract of their campuses, each opening noted in its record."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from hub.lifecycle.contract.give_answers import attach
from hub.model.contract.contract import Contract
from hub.model.staff.scope import EVERYTHING
from hub.web.app import make_app
from hub.web.http.rate_limit import RateLimits
from tests.lifecycle.contract.test_give_answers import photo
from tests.lifecycle.people import two_guardians
from tests.lifecycle.signer import completed, entered, signed
from tests.running import Running
from tests.web.serving import served
from tests.web.staff_visit import COOKIE, ConsoleBrowser, console_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


@pytest_asyncio.fixture(loop_scope="session")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk")


async def entries_of(running: Running, contract: Contract) -> list[tuple[str, str]]:
    """Kind and document of each opening by staff."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    told = ("read-by-staff", "downloaded-by-staff")
    return [(each.kind, each.facts["document_sha256"]) for each in entries if each.kind in told]


async def content(running: Running, console: ConsoleBrowser, path: str) -> bytes:
    headers = {"Cookie": f"{COOKIE}={console.cookie}"}
    async with running.http.get(running.origin + path, headers=headers) as answer:
        assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return await answer.read()


async def test_an_issued_contract_is_read_page_by_page(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    path = f"/staff/contracts/{contract.id}"
    assert f'href="{path}/read"' in (await console.get(path)).text
    page = await console.get(f"{path}/read")
    images = re.findall(r'<img src="([^"]+\.png)"', page.text)
    assert page.status == 200 and len(images) == contract.pages > 1
    assert "as the signers see it" in page.words and f'href="{path}/document.pdf"' in page.text
    drawn = [await content(running, console, each) for each in images]
    assert all(each.startswith(PNG) for each in drawn) and len(set(drawn)) == contract.pages
    assert await entries_of(running, contract) == [("read-by-staff", contract.document)]
    pdf = await content(running, console, f"{path}/document.pdf")
    assert hashlib.sha256(pdf).hexdigest() == contract.document
    await console.get(f"{path}/read")  # another opening is another entry
    kinds = [kind for kind, _ in await entries_of(running, contract)]
    assert kinds == ["read-by-staff", "downloaded-by-staff", "read-by-staff"]
    told = (await console.get(path)).words
    assert "read by staff by Clerk" in told and "downloaded by staff by Clerk" in told


async def test_the_file_that_is_read_is_the_present_one(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    path = f"/staff/contracts/{contract.id}"
    assert (await console.get(f"{path}/final.pdf")).status == 404
    assert await entries_of(running, contract) == []
    await signed(running, contract)
    final = await completed(running, contract)
    assert await content(running, console, f"{path}/document.pdf") == final
    assert await content(running, console, f"{path}/final.pdf") == final
    assert "This is the completed contract" in (await console.get(f"{path}/read")).words
    sha256 = hashlib.sha256(final).hexdigest()
    downloads = [("downloaded-by-staff", sha256)] * 2
    assert await entries_of(running, contract) == [*downloads, ("read-by-staff", sha256)]


async def test_an_image_asked_for_by_itself_is_an_opening(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    image = f"/staff/contracts/{contract.id}/pages/1.png"
    for _ in range(2):
        await content(running, console, image)
    assert len(await entries_of(running, contract)) == 1
    colleague = await console_of(running)
    await content(running, colleague, image)
    assert len(await entries_of(running, contract)) == 2
    running.clock.advance(timedelta(minutes=59))
    await content(running, console, image)
    assert len(await entries_of(running, contract)) == 2
    running.clock.advance(timedelta(minutes=2))
    await content(running, console, image)
    assert len(await entries_of(running, contract)) == 3


@pytest.mark.parametrize("number", ["0", "99", "1000", "-1", "x", "٣", "1.5"])
async def test_pages_that_are_not_there(running: Running, console: ConsoleBrowser, number: str) -> None:
    contract = await running.issue_minor()
    page = await console.get(f"/staff/contracts/{contract.id}/pages/{number}.png")
    assert page.status == 404 and await entries_of(running, contract) == []


@pytest.mark.parametrize("what", ["read", "document.pdf", "final.pdf", "pages/1.png"])
async def test_another_campus_gets_the_answer_of_an_unknown_contract(running: Running, what: str) -> None:
    contract = await running.issue_minor()
    abroad = await console_of(running, "elsewhere")
    foreign = await abroad.get(f"/staff/contracts/{contract.id}/{what}")
    unknown = await abroad.get(f"/staff/contracts/{uuid4()}/{what}")
    assert foreign.status == 404 and foreign.words == unknown.words
    assert (await abroad.get(f"/staff/contracts/none/{what}")).words == unknown.words
    assert await entries_of(running, contract) == []


@pytest.mark.parametrize("what", ["read", "document.pdf", "final.pdf", "pages/1.png"])
async def test_no_other_site_makes_an_entry_and_nobody_reads_without_a_login(
    running: Running, console: ConsoleBrowser, what: str
) -> None:
    contract = await running.issue_minor()
    path = f"/staff/contracts/{contract.id}/{what}"
    assert (await console.get(path, site="cross-site")).status == 403
    stranger = await ConsoleBrowser(running).get(path)
    assert stranger.status == 303 and stranger.location.startswith("/staff/login?next=")
    assert await entries_of(running, contract) == []


async def test_a_flood_is_slowed_down(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    host = running.origin.removeprefix("http://")
    headers = {"Cookie": f"{COOKIE}={console.cookie}", "X-Forwarded-For": "203.0.113.77", "Host": host}
    answers = []
    async with served(make_app(running.hub, rate_limits=RateLimits({"staff-read": 3}))) as origin:
        address = f"{origin}/staff/contracts/{contract.id}/pages/none.png"
        for _ in range(4):
            async with running.http.get(address, headers=headers) as answer:
                answers.append(answer.status)
    assert answers == [404, 404, 404, 429]


@pytest.mark.parametrize("path", ["/staff/persons", "/staff/export", "/staff/download"])
async def test_so_is_a_flood_of_look_ups_and_files_of_many(running: Running, path: str) -> None:
    owner = await console_of(running)
    headers = {"Cookie": f"{COOKIE}={owner.cookie}", "X-Forwarded-For": "203.0.113.78", "Origin": running.origin}
    headers["Host"] = running.origin.removeprefix("http://")
    answers = []
    async with served(make_app(running.hub, rate_limits=RateLimits({"staff-read": 3}))) as origin:
        for _ in range(4):
            async with running.http.post(origin + path, headers=headers) as answer:
                answers.append(answer.status)
    assert 429 not in answers[:3] and answers[3] == 429


async def test_it_is_there_in_chinese(running: Running) -> None:
    contract = await running.issue_minor()
    console = await console_of(running, "clerk", language="zh")
    page = await console.get(f"/staff/contracts/{contract.id}/read")
    assert "下载 PDF" in page.words and "您的本次阅读会写入合同的存证记录" in page.words
    assert "工作人员阅读了合同 操作人：Clerk" in (await console.get(f"/staff/contracts/{contract.id}")).words


async def test_an_attachment_is_opened_at_its_campus_and_each_opening_noted(
    running: Running, console: ConsoleBrowser
) -> None:
    signers, other = two_guardians(1, 1), await running.issue_minor()
    contract = await running.issue_minor(template="safety-notice", companions=(), send="none", signers=signers)
    guardian = await entered(running, contract)
    given = await attach(running.hub.services, guardian.secret, contract.id, "certificate", photo((300, 200)))
    for one, opener, status in ((contract, "clerk", 200), (other, "clerk", 404), (contract, "elsewhere", 404)):
        browser = await console_of(running, opener)
        page = await browser.get(f"/staff/contracts/{one.id}/attachments/{given.id}")
        assert page.status == status
    opened = await console.get(f"/staff/contracts/{contract.id}/attachments/{given.id}")
    assert opened.headers["Content-Type"] == "image/jpeg" and "attachment" in opened.headers["Content-Disposition"]
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract.id)
    assert [each.facts for each in entries if each.kind == "attachment-opened"] == [{"attachment": str(given.id)}] * 2
