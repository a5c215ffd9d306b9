"""The page of a copy, the desk's view of copies, and copies over the API."""

from __future__ import annotations

import pytest
import pytest_asyncio

from hub.lifecycle.sealing.finalise import advance
from hub.model.contract.contract_copy import CopyRecipient, CopyRole, derive_copy_ticket
from tests.lifecycle.signer import person
from tests.running import MINOR_ID, Running
from tests.web.staff.contract.test_staff_preview import FORM
from tests.web.staff_visit import ConsoleBrowser, console_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
MAIL = "mother@home.example"


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


@pytest_asyncio.fixture(loop_scope="session")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk", "zh")


async def test_a_copy_is_previewed_issued_sent_and_opened(running: Running, console: ConsoleBrowser) -> None:
    wrong = await console.post("/staff/issue/preview", FORM | {"copy_guardian": "nobody"})
    assert "这不是有效的邮箱地址" in wrong.words and 'value="nobody"' in wrong.text
    asked = FORM | {"copy_guardian": MAIL}
    seen = await console.post("/staff/issue/preview", asked)
    assert f"另一位监护人 · {MAIL}" in seen.words
    issued = await console.post("/staff/issue", asked)
    page = await console.get(issued.location)
    assert "另一位监护人 · m***@home.example 签署完成后发送" in page.words
    number = issued.location.split("/")[3].partition("?")[0]
    async with running.http.get(
        f"{running.origin}/api/v1/contracts/{number}", headers={"Authorization": f"Bearer {running.api_key}"}
    ) as answer:
        (copy,) = (await answer.json())["copies"]
    assert copy == {"role": "guardian", "name": "", "email": "m***@home.example", "state": None, "failure": None}


async def test_the_page_asks_and_serves_the_file(running: Running) -> None:
    copies = (CopyRecipient(CopyRole.GUARDIAN, MAIL, language="en"),)
    contract = await running.issue_minor(send="none", copies=copies)
    guardian = await person(running, contract)
    await guardian.enter()
    await guardian.sign()
    await advance(running.hub.services, contract.id)
    ticket = derive_copy_ticket(running.hub.services.signing.keys.link, contract.id, 0)
    address = f"{running.origin}/copy/{contract.id}/{ticket}"
    async with running.http.get(address) as shown:
        assert (shown.status, "last 6 characters" in await shown.text()) == (200, True)
    async with running.http.post(address, data={"answer": "000000"}) as refused:
        assert (refused.status, "not the end of the student" in await refused.text()) == (403, True)
    async with running.http.post(address, data={"answer": MINOR_ID[-6:]}) as served:
        assert served.content_type == "application/pdf" and (await served.read()).startswith(b"%PDF-")
        assert contract.number in served.headers["Content-Disposition"]
    other = derive_copy_ticket(running.hub.services.signing.keys.link, contract.id, 1)
    async with running.http.get(f"{running.origin}/copy/{contract.id}/{other}?lang=zh") as unknown:
        assert (unknown.status, "这个链接已无法打开合同" in await unknown.text()) == (404, True)
