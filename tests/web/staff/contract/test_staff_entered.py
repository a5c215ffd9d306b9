"""What staff have typed or chosen is still there when the form is shown again."""

from __future__ import annotations

import re

import pytest

from hub.model.staff.scope import EVERYTHING
from tests.running import Running
from tests.web.staff_visit import ISSUE_FORM, ConsoleBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = {
    "name": "陈美丽",
    "relation": "母亲",
    "id_type": "passport",
    "id_number": "E1",
    "phone": "19000000177",
    "language": "zh",
}


async def page_of(running: Running) -> tuple[str, str]:
    """Return the path of a contract's page, and the id of its signer."""
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
    return f"/staff/contracts/{contract.id}", str(signer.id)


@pytest.mark.parametrize("send", ["policy", "none"])
async def test_when_the_first_message_goes(console: ConsoleBrowser, send: str) -> None:
    page = await console.post("/staff/issue", ISSUE_FORM | {"phone": "123", "send": send})
    assert page.status == 422 and f'value="{send}" selected' in page.text
    assert '<p class="note wrong" role="alert" tabindex="-1" autofocus>' in page.text
    assert (
        "selected" not in (await console.get("/staff/issue")).text.partition('id="send"')[2].partition("</select>")[0]
    )


async def test_who_is_to_sign_instead(running: Running, console: ConsoleBrowser) -> None:
    address, signer = await page_of(running)
    page = await console.post(f"{address}/replace/{signer}", OTHER)
    form = page.text.partition(f"/replace/{signer}")[2].partition("</form>")[0]
    assert page.status == 422 and "document number" in page.words
    for name in ("name", "relation", "id_number", "phone"):
        assert f'value="{OTHER[name]}"' in form
    assert re.search(r'value="passport" selected>\w*[Pp]assport', form)
    assert page.text.count("<details open>") == 1
    assert "<details open>" not in (await console.get(address)).text


async def test_the_other_phone_number_and_why(running: Running, console: ConsoleBrowser) -> None:
    address, signer = await page_of(running)
    page = await console.post(f"{address}/phone/{signer}", {"phone": "12", "reason": "Rang <us>."})
    form = page.text.partition(f"/phone/{signer}")[2].partition("</form>")[0]
    assert page.status == 422 and 'value="12"' in form and "Rang &lt;us&gt;.</textarea>" in form
    assert page.text.count("<details open>") == 1


async def test_the_new_deadline(running: Running, console: ConsoleBrowser) -> None:
    address, _ = await page_of(running)
    page = await console.post(f"{address}/extend", {"deadline": "2020-01-02"})
    assert page.status == 422 and 'value="2020-01-02"' in page.text


async def test_why_it_is_withdrawn(running: Running, console: ConsoleBrowser) -> None:
    address, _ = await page_of(running)
    reason = "long " * 110
    page = await console.post(f"{address}/void", {"reason": reason})
    assert page.status == 422 and "Withdraw this contract?" in page.words and reason.strip() in page.text
    assert (await console.post(f"{address}/void", {"reason": "He is ill."})).location.endswith("?said=voided")
