"""A clerk uploads a PDF of the school's own, says where everybody signs, and issues it."""

from __future__ import annotations

import pytest
import pytest_asyncio
from aiohttp import FormData

from tests.lifecycle.contract.test_own_document import made, of_the_school
from tests.running import Running
from tests.web.staff.contract.test_staff_preview import FORM
from tests.web.staff_visit import ConsoleBrowser, Page, console_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


@pytest_asyncio.fixture(loop_scope="session")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk", "zh")


async def upload(console: ConsoleBrowser, pdf: bytes) -> Page:
    form = FormData(quote_fields=False)
    form.add_field("document", pdf, filename="春游告家长书.pdf", content_type="application/pdf")
    return await console.send("/staff/issue/document", form)


async def test_a_pdf_is_uploaded_given_its_places_and_issued(console: ConsoleBrowser) -> None:
    refused = await upload(console, made(password=True))
    assert refused.status == 422
    assert "PDF 有密码保护" in refused.words
    checked = await upload(console, of_the_school())
    assert checked.location.startswith("/staff/issue?document=")
    form = await console.get(checked.location)
    assert 'value="春游告家长书"' in form.text
    reference = form.text.partition('name="document" value="')[2].partition('"')[0]
    sent = FORM | {"document": reference, "document_title": "春游告家长书", "place_guardian": "不在里面的字"}
    sent |= {"place_seal": "page:1,60,250"}
    wrong = await console.post("/staff/issue", sent)
    assert "PDF 中没有这些文字：" in wrong.words
    sent |= {"place_guardian": "乙方（监护人签名）"}
    seen = await console.post("/staff/issue/preview", sent)
    assert seen.status == 200
    assert "data:image/png" in seen.text
    issued = await console.post("/staff/issue", sent)
    assert issued.location.endswith("?said=issued")
    page = await console.get(issued.location)
    assert "学校上传的 PDF" in page.words
    forged = await console.post("/staff/issue", sent | {"document": "0" * 64 + "-" + "0" * 16})
    assert "没有这个文件" in forged.words
