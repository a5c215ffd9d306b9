"""The list of contracts in the integration API, by the caller's own id."""

from __future__ import annotations

import base64
from uuid import UUID

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


async def test_several_contracts_with_one_external_id_are_listed_page_by_page(running: Running) -> None:
    """A second request with the same id, like a reissue, is no error. Pages contain no other contract."""
    api = Api(running, running.api_key)
    first, other, last = [await issue(api, external_id=each) for each in ("CRM-5", "CRM-6", "CRM-5")]
    _, newest, _ = await api("GET", f"{CONTRACTS}?external_id=CRM-5&limit=1")
    _, oldest, _ = await api("GET", f"{CONTRACTS}?external_id=CRM-5&limit=1&cursor={newest['next_cursor']}")
    assert [each["id"] for page in (newest, oldest) for each in page["items"]] == [last["id"], first["id"]]
    assert newest["next_cursor"] and oldest["next_cursor"] is None
    _, all_after, _ = await api("GET", f"{CONTRACTS}?limit=1&cursor={newest['next_cursor']}")
    assert [each["id"] for each in all_after["items"]] == [other["id"]]


async def test_an_empty_external_id_lists_nothing(running: Running) -> None:
    """A system that has no id at hand does not get everybody's contracts instead."""
    api = Api(running, running.api_key)
    await issue(api)
    status, problem, _ = await api("GET", f"{CONTRACTS}?external_id=")
    assert (status, problem["code"], problem["field"]) == (422, "bad-input", "external_id")


async def test_a_cursor_whose_moment_has_no_time_zone_is_a_bad_one(running: Running) -> None:
    api = Api(running, running.api_key)
    cursor = base64.urlsafe_b64encode(f"2026-12-01T10:00:00 {UUID(int=1)}".encode()).decode().rstrip("=")
    status, problem, _ = await api("GET", f"{CONTRACTS}?cursor={cursor}")
    assert (status, problem["field"]) == (422, "cursor")
