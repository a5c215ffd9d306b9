"""Staff pages show what people wrote as they wrote it, even if it reads like a word of the product."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hub.lifecycle.contract.end import void
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.signer_visits import asked, opened, verified
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIKE_OURS = "unknown"  # a delivery state, which pages show as "sent, no answer yet"


@pytest_asyncio.fixture(loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def shown(running: Running, contract: object, language: str) -> list[str]:
    console = await console_of(running, language=language)
    return [(await console.get(path)).words for path in ("/staff/tasks", f"/staff/contracts/{contract}")]


async def test_a_reason_for_declining(running: Running) -> None:
    contract = await running.issue_minor()
    async with verified(running, contract) as client:
        body = {"reason": f"{LIKE_OURS}\nsms"}
        await asked(running, "POST", "/sign/v1/decline", body=body, bearer=client.bearer)
    tasks, page = await shown(running, contract.id, "en")
    assert "A signer declined, and gave this reason: unknown sms" in tasks
    assert "Reason given: unknown" in page and "sent, no answer yet" not in tasks + page
    assert "somebody declined by mistake" in page and "withdraw this contract" not in page


@pytest.mark.parametrize("kind", ["question", "not-me", "wrong"])
async def test_a_question(running: Running, kind: str) -> None:
    contract = await running.issue_minor()
    async with opened(running, contract) as client:
        body = {"kind": kind, "text": LIKE_OURS}
        await asked(running, "POST", "/sign/v1/question", body=body, bearer=client.bearer)
    for page in await shown(running, contract.id, "en"):
        assert " unknown " in page and "sent, no answer yet" not in page


async def test_a_reason_for_withdrawing(running: Running) -> None:
    contract = await running.issue_minor()
    await void(running.hub.services, EVERYTHING, contract.id, "completed", "staff:test")
    assert "completed" in (await shown(running, contract.id, "zh"))[1].partition("原因：")[2][:20]
