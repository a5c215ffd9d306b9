"""A dishonest hub prepares another text, and its forgery passes the four checks: the page does not sign, and says
so."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from uuid import UUID

import pytest
from playwright.async_api import Page, Route, expect

from hub.model.staff.scope import EVERYTHING
from qianda.checks import PreparedFile, check_prepared
from tests.browser.conftest import NewPage
from tests.browser.signer_steps import come_in, read_to_the_end, sign
from tests.browser.update_cases import content_replaced
from tests.browser.update_files import GAP, last_revision
from tests.client.prepared_parts import signed_attributes
from tests.running import Running

pytestmark = pytest.mark.browser


async def forge_what_is_prepared(page: Page, running: Running) -> None:
    """Replace the page's content between hub and page, and make byte range and signed attributes anew to fit."""

    async def prepare(route: Route) -> None:
        response = await route.fetch()
        answer = await response.json()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            request = await tx.signatures.get(UUID(answer["request"]))
        assert request
        files = running.hub.services.files
        shown = await files.get(request.base)
        revision = last_revision(shown, await files.get(request.prepared))
        content_replaced(revision)
        forged = revision.write()
        start, end = list(GAP.finditer(forged))[-1].span()
        byte_range = (0, start, end, len(forged) - end)
        digest = hashlib.sha256(forged[:start] + forged[end:]).digest()
        to_be_signed = signed_attributes(digest, request.chain[0])
        check_prepared(shown, PreparedFile(forged, byte_range, to_be_signed), request.chain[0])  # all four pass
        update, signed = (b64encode(part).decode("ascii") for part in (forged[len(shown) :], to_be_signed))
        made_anew = {"byte_range": byte_range, "to_be_signed": signed, "update": update}
        await route.fulfill(response=response, json={**answer, **made_anew})

    await page.route("**/sign/v1/prepare*", prepare)


@pytest.mark.real
async def test_a_page_replaced_behind_the_shown_bytes_is_not_signed(running: Running, new_page: NewPage) -> None:
    contract = await running.issue_minor()
    page = await new_page()
    await forge_what_is_prepared(page, running)
    handed_in: list[str] = []
    page.on("request", lambda request: handed_in.append(request.url) if "/sign/v1/signature" in request.url else None)
    await come_in(page, running, f"{running.origin}/s/{await running.ticket(contract)}")
    await read_to_the_end(page)
    async with page.expect_response("**/sign/v1/refused*"):
        await sign(page)
    await expect(page.locator('#trouble[data-shown="refused"]')).to_be_visible()
    assert handed_in == []
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries, values = await tx.record.list_entries(contract.id), await tx.record.get_values(contract.id)
    behind = [entry.facts["reason"]["committed"] for entry in entries if entry.kind == "signing-refused-by-client"]
    reasons = [values[each][1] for each in behind]
    assert len(reasons) == 1
    assert reasons[0].startswith("1: object ")
    assert reasons[0].endswith(" was replaced")
