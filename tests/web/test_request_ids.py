"""Each request has a name of ours: in its header, in problem details, in every line of the log; a contract's too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from hub.measures import SECURITY_EVENTS, SecurityEvent
from tests.lent_hubs import lent_hub
from tests.web.signer_visits import verified

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGED = "00000000ffffffff"


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """Collect what is logged, with what is bound to the context."""
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.configure(**before)


def counted(event: SecurityEvent) -> float:
    (family,) = SECURITY_EVENTS.collect()
    return next(each.value for each in family.samples if each.labels == {"event": event.value})


async def test_a_request_has_one_name_everywhere(lines: list[Any]) -> None:
    async with lent_hub(with_worker=False) as running:
        names = set()
        for _ in range(2):
            url = f"{running.origin}/api/v1/contracts/6f0f0000-0000-4000-8000-000000000001"
            headers = {"X-Request-Id": FORGED, "Authorization": f"Bearer {running.api_key}"}
            async with running.http.get(url, headers=headers) as answer:
                name = answer.headers["X-Request-Id"]
                assert answer.status == 404 and (await answer.json())["request_id"] == name
            assert re.fullmatch("[0-9a-f]{16}", name) and name != FORGED
            names.add(name)
        assert len(names) == 2  # also on one connection
        logged = [line for line in lines if line["event"] == "request"]
        assert {line["request"] for line in logged} == names
        assert {line["contract"] for line in logged} == {"6f0f0000-0000-4000-8000-000000000001"}
        async with running.http.get(f"{running.origin}/healthz") as answer:
            assert answer.headers["X-Request-Id"] not in names
        assert "contract" not in [line for line in lines if line["event"] == "request"][-1]
        async with running.http.request("BREW", f"{running.origin}/healthz") as answer:
            assert answer.status == 400  # what cannot be read as a request has no name, and its line no contract
        last = [line for line in lines if line["event"] == "request"][-1]
        assert last["request"] is None and "contract" not in last


async def test_lines_about_a_signers_visit_name_the_contract(lines: list[Any]) -> None:
    async with lent_hub() as running:
        contract = await running.issue_minor()
        async with verified(running, contract) as client:
            lines.clear()
            await client.contract()
        requests = [line for line in lines if line["event"] == "request"]
        assert requests and all(line["contract"] == str(contract.id) for line in requests)


async def test_refusals_are_logged_with_a_hash_of_the_address_and_counted(lines: list[Any]) -> None:
    async with lent_hub(with_worker=False) as running:
        outside = {"X-Forwarded-For": "203.0.113.77"}

        async def post(path: str, data: Any = None, **headers: str) -> int:
            async with running.http.post(running.origin + path, data=data, headers=outside | headers) as answer:
                return answer.status

        async def get(path: str, **headers: str) -> int:
            async with running.http.get(running.origin + path, headers=outside | headers) as answer:
                return answer.status

        here = {"Origin": running.origin, "Sec-Fetch-Site": "same-origin"}
        before = {event: counted(event) for event in SecurityEvent}
        wrong = {"login": "correct horse battery", "password": "not-this"}
        assert await post("/staff/login", wrong, **here) == 403
        assert await post("/staff/login", wrong, Origin="https://evil.example") == 403
        assert await get("/api/v1/contracts", Authorization="Bearer nothing") == 401
        assert await get("/metrics") == 404
        for _ in range(9):
            await post("/staff/login", wrong, **here)
        assert await post("/staff/login", wrong, **here) == 429
        more = {event: counted(event) - before[event] for event in SecurityEvent}
        assert {event: number for event, number in more.items() if number} == {
            SecurityEvent.LOGIN_FAILED: 10,
            SecurityEvent.LOGIN_LOCKED: 1,
            SecurityEvent.OTHER_SITE: 1,
            SecurityEvent.KEY_REFUSED: 1,
            SecurityEvent.METRICS_REFUSED: 1,
        }
        events = [line for line in lines if line["event"] == "security event"]
        assert len(events) == 14 and len({line["address"] for line in events}) == 1
        assert all(re.fullmatch("[0-9a-f]{16}", line["address"]) and line["request"] for line in events)
        assert "203.0.113.77" not in str(lines)
        assert "correct horse" not in str(lines)  # people type passwords into the login field
