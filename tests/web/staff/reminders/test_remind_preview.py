"""The preview of a reminder to many, at a time when messages have to wait."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from hub.lifecycle.reminders.bulk_remind import BulkOutcome, ReminderPreview
from hub.web.staff.reminders import bulk
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def test_the_preview_says_when_the_messages_that_wait_go_out(
    running: Running, console: ConsoleBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = await running.issue_minor()

    async def at_night(*_: object) -> ReminderPreview:
        return ReminderPreview(Counter({BulkOutcome.MORNING: 1}), datetime(2031, 5, 6, 1, 30, tzinfo=UTC))

    monkeypatch.setattr(bulk, "preview_reminding", at_night)
    page = await console.post("/staff/remind/preview", {"contract": str(contract.id)})
    assert "1 to be sent when messages may go out again" in page.words
    assert re.search(r"The messages that wait go out from [^.]*6 May 2031[^.]* 09:30\.", page.words), page.words
