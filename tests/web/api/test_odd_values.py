"""Values at the ends of what a type holds: numbers without end, the first and the last moments, deep nesting."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from hub.lifecycle.sealing.seals.manage_seals import list_seals
from hub.lifecycle.staff.api_keys import add_key
from hub.model.staff.key_scopes import ALL_SCOPES, KeyTerms
from hub.model.staff.scope import EVERYTHING
from tests.running import Running
from tests.web.api.test_api_contracts import CONTRACTS, asked
from tests.web.staff_visit import ConsoleBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOMENTS = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999Z")
DEEP = "[" * 150 + "]" * 150
VALUES = (
    "9" * 5000,
    "-" + "9" * 5000,
    "1e999",
    "1" + "0" * 400,
    "0." + "1" * 5000,
    DEEP,
    r'"\u0000"',
    r'{"\u0000": 1}',
)


async def status_of(running: Running, method: str, path: str, body: str = "", **headers: str) -> int:
    sent = {"Authorization": f"Bearer {running.api_key}", "Content-Type": "application/json", **headers}
    url = running.origin + path
    async with running.http.request(method, url, data=body.encode() if body else None, headers=sent) as answer:
        return answer.status


def with_value(body: dict[str, Any], name: str, value: str) -> str:
    """Return the body with a value that `json` would not write."""
    return json.dumps(body | {name: "HERE"}).replace('"HERE"', value)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:12])
async def test_further_values_are_taken_or_refused(running: Running, value: str) -> None:
    for body in (asked(send="none"), asked(send="none", template="course")):
        for key in ({}, {"Idempotency-Key": str(uuid4())}):
            given = await status_of(running, "POST", CONTRACTS, with_value(body, "data", f'{{"x": {value}}}'), **key)
            assert given in (201, 422), given
    for name in ("external_id", "deadline", "representative", "companions"):
        assert await status_of(running, "POST", CONTRACTS, with_value(asked(), name, value)) == 422, name


@pytest.mark.parametrize("moment", MOMENTS)
async def test_no_moment_is_too_early_or_too_late(running: Running, console: ConsoleBrowser, moment: str) -> None:
    services = running.hub.services
    assert await status_of(running, "POST", CONTRACTS, json.dumps(asked(deadline=moment))) == 422
    contract = await running.issue_minor()
    extended = json.dumps({"deadline": moment})
    assert await status_of(running, "POST", f"{CONTRACTS}/{contract.id}/extend", extended) == 422
    text = f"{moment} {UUID(int=1)}".encode()
    cursor = base64.urlsafe_b64encode(text).decode().rstrip("=")
    assert await status_of(running, "GET", f"{CONTRACTS}?cursor={cursor}") < 500
    cursor = base64.urlsafe_b64encode(f"{UUID(int=1)} {moment}".encode()).decode().rstrip("=")
    for sort in ("newest", "deadline"):
        assert (await console.get(f"/staff?sort={sort}&cursor={cursor}")).status < 500
    (seal, *_) = await list_seals(services, EVERYTHING)
    secret = await add_key(services, f"seals-{uuid4().hex[:8]}", "hq", "test", KeyTerms(ALL_SCOPES))
    grant = json.dumps({"grantee_kind": "contracts", "campus": "hefei", "expires_at": moment})
    given = await status_of(running, "POST", f"/api/v1/seals/{seal.id}/grants", grant, Authorization=f"Bearer {secret}")
    assert given in (201, 409, 422)
