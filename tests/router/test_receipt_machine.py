"""Receipts as a state machine: replies lost, callbacks doubled and out of order, workers that look at any moment.

Whatever happened, the provider has the message at most once, what is known is never lost, and in the end the hub knows
what the provider knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from hub.errors import Unavailable
from hub.lifecycle.inbound.process_callbacks import process_callback
from hub.model.messaging.delivery import Delivery, DeliveryState, merge_states
from hub.model.staff.scope import EVERYTHING
from tests.channels.doubles import Trouble
from tests.router.routed import PHONE, Routed, routed

Result = TypeVar("Result")
TROUBLES = (None, Trouble.LOSE_REPLY, Trouble.GATEWAY_ERROR, Trouble.BUSY)
ENDS = {
    "delivered": DeliveryState.DELIVERED,
    "undelivered": DeliveryState.UNDELIVERED,
    "failed": DeliveryState.UNDELIVERED,
}
OPEN = (DeliveryState.SENDING, DeliveryState.UNKNOWN)
MINUTE = timedelta(minutes=1)


class Stage:
    """One hub for all runs. Each run has a message of its own."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.hub: Routed = self.do(self._stack.enter_async_context(routed()))

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self._runner.run(work)

    def close(self) -> None:
        self.do(self._stack.aclose())
        self._runner.close()


class Receipts(RuleBasedStateMachine):
    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.hub = self.stage.hub
        self.key = f"machine-{uuid4()}"
        self.known = DeliveryState.SENDING
        self.been: list[str] = []
        self.stage.do(self._write())

    async def _write(self) -> None:
        text = f"A message of {self.key}"
        moment = self.hub.clock()
        self.delivery = Delivery(
            uuid4(), self.key, "help", "sms", PHONE, text, DeliveryState.SENDING, moment, {"school": "x"}, shape="full"
        )
        async with self.hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.deliveries.add(self.delivery)

    # ---- what may happen

    @rule(trouble=st.sampled_from(TROUBLES), later=st.booleans())
    def a_worker_takes_it_up(self, trouble: Trouble | None, later: bool) -> None:
        self.hub.twilio.trouble = [trouble] if trouble else []
        if later:
            self.hub.clock.advance(MINUTE)
        self.stage.do(self._carry())
        self.hub.twilio.trouble = []

    async def _carry(self) -> None:
        try:
            await self.hub.running.hub.services.messaging.router.send_delivery(self.delivery.id, fresh=False)
        except Unavailable:
            pass

    @precondition(lambda self: self._sids())
    @rule(data=st.data())
    def the_provider_moves_on(self, data: st.DataObject) -> None:
        (sid,) = self._sids()
        moves = [each for each in self.hub.twilio.moves[self.hub.twilio.resources[sid].status] if each != "canceled"]
        if moves:
            self.been.append(data.draw(st.sampled_from(moves)))
            self.hub.twilio.advance(sid, self.been[-1], 30003 if self.been[-1] == "undelivered" else None)

    @precondition(lambda self: self.been)
    @rule(data=st.data())
    def the_provider_calls(self, data: st.DataObject) -> None:
        """Call back about any status that the message has had, however late and however often."""
        (sid,) = self._sids()
        assert self.stage.do(self.hub.twilio.call_back(sid, data.draw(st.sampled_from(self.been)))) == 204

    @rule()
    def somebody_works_on_the_calls(self) -> None:
        self.stage.do(self._hear())

    async def _hear(self) -> None:
        """Process stored callbacks in one batch, also those that wait for later."""
        await self.hub.running.worker.callbacks.process_callbacks()
        async with self.hub.running.hub.database.transaction(EVERYTHING) as tx:
            due = await tx.callbacks.list_due(tx.now + timedelta(hours=1))
        for each in due:
            await process_callback(self.hub.running.hub.services, each)

    # ---- what always holds

    def _sids(self) -> list[str]:
        return [each.reference for each in self.hub.twilio.accepted if each.key == self.key]

    @invariant()
    def the_provider_has_it_once_at_most(self) -> None:
        assert len(self._sids()) <= 1

    @invariant()
    def what_is_known_never_gets_less(self) -> None:
        now = self.stage.do(self._look()).state
        assert merge_states(self.known, now) is now
        self.known = now

    async def _look(self) -> Delivery:
        async with self.hub.running.hub.database.transaction(EVERYTHING) as tx:
            found = await tx.deliveries.get(self.delivery.id)
        assert found
        return found

    def teardown(self) -> None:
        """End all trouble and let everything finish: then the hub knows what the provider knows."""
        self.stage.do(self._end())

    async def _end(self) -> None:
        for _ in range(10):
            self.hub.clock.advance(3 * MINUTE)
            await self._carry()
            if (await self._look()).state not in OPEN:
                break
        self.hub.clock.advance(3 * MINUTE)
        await self._carry()  # once more, since what is over is not sent again
        (sid,) = self._sids()
        status = self.hub.twilio.resources[sid].status
        if status not in ENDS:
            await self.hub.twilio.finish(sid, status := "delivered")
        await self.hub.twilio.call_back(sid, status)
        await self._hear()
        assert (await self._look()).state is ENDS[status]


def run(examples: int) -> None:
    Receipts.stage = Stage()
    try:
        checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
        bounds = settings(max_examples=examples, stateful_step_count=12, deadline=None, suppress_health_check=checks)
        run_state_machine_as_test(Receipts, settings=bounds)
    finally:
        Receipts.stage.close()


def test_receipts_in_any_order_end_the_same() -> None:
    run(20)


@pytest.mark.real
def test_receipts_in_any_order_end_the_same_two_thousand_times() -> None:
    run(2000)
