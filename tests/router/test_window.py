"""A worker has a limited number of messages in hand, however many are due."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hub.worker.due_step_loop import DueStepLoop
from tests.channels.doubles.sms_twilio import Double
from tests.router.routed import routed
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WINDOW, BATCH, MESSAGES = 4, 2, 6
# Longer than a transaction takes on a busy machine.
REPLY_SECONDS = 3.0


class CountingDouble(Double):
    """Twilio's double, which counts the messages that it has not answered yet. `most`: the largest number so far."""

    waiting = most = 0

    async def _reply(self, *of_request: Any) -> Any:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            return await super()._reply(*of_request)
        finally:
            self.waiting -= 1


@pytest.mark.real
async def test_a_slow_provider_gets_no_more_messages_at_once_than_the_window() -> None:
    async with routed() as hub, (slow := CountingDouble(now=hub.clock, delay=REPLY_SECONDS)).serving():
        hub.twilio = slow
        hub.providers()
        for number in range(MESSAGES):
            await hub.issue(phone=f"+1202555{number:04}")
        stop, loop = asyncio.Event(), DueStepLoop(hub.running.hub, lambda _: None, window=WINDOW, batch=BATCH)
        reminding = asyncio.create_task(loop.remind(stop))

        async def all_came() -> bool:
            return len(slow.accepted) == MESSAGES

        try:
            await until(all_came)
        finally:
            stop.set()
            await reminding
            await loop.finish()
        assert slow.most == WINDOW
