"""The list of contracts in the integration API, by the caller's own id."""

from __future__ import annotations

import pytest

from hub.model.staff.scope import EVERYTHING
from tests.running import Running
from tests.web.api.test_api_contracts import CONTRACTS, Api, issue

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_contract_is_found_by_the_id_that_the_caller_gave_it(running: Running) -> None:
    api = Api(running, running.api_key)
    made, _ = await issue(api, external_id="CRM-4711"), await issue(api, external_id="CRM-47112")
    _, page, _ = await api("GET", f"{CONTRACTS}?external_id=CRM-4711")
    assert [item["id"] for item in page["items"]] == [made["id"]] and page["next_cursor"] is None
    assert (await api("GET", f"{CONTRACTS}?external_id=CRM-4711&state=VOIDED"))[1]["items"] == []
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.api_keys.put_api_key("elsewhere", "elsewhere-key", "beijing", tx.now)
    assert (await Api(running, "elsewhere-key")("GET", f"{CONTRACTS}?external_id=CRM-4711"))[1]["items"] == []
