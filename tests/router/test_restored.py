"""A message that was open in a backup: since then any provider may have been called, so all are asked before one is."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from hub.model.messaging.delivery import Delivery
from hub.model.staff.scope import EVERYTHING
from tests.database import tamper
from tests.router.routed import Routed, routed

# The row as the backup has it: written, and nobody called yet.
AS_BACKED_UP = """
UPDATE delivery SET state = 'sending', state_at = NULL, provider = NULL, provider_reference = NULL, called_at = NULL,
    calls = 0, check_at = NULL WHERE id = $1
"""
MINUTES = timedelta(minutes=3)
UNTIL = "INSERT INTO restored_until VALUES (true, $1)"


async def go_back(hub: Routed, delivery: Delivery, *, restored: bool) -> None:
    dsn = hub.running.hub.database.dsn
    await tamper(dsn, AS_BACKED_UP, delivery.id)
    if restored:
        await tamper(dsn, "INSERT INTO restored_delivery VALUES ($1)", delivery.id)


@pytest.mark.parametrize(("restored", "messages"), [(True, 1), (False, 2)])
async def test_a_restored_message_is_asked_about_before_it_is_sent(restored: bool, messages: int) -> None:
    """Without the mark of the restore it is sent a second time: nothing in its row says that anybody was called."""
    async with routed() as hub:
        contract = await hub.invited()
        sent = await hub.one(contract)
        await go_back(hub, sent, restored=restored)
        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == messages
        after = await hub.one(contract)
        assert after.provider == "sms_twilio" and after.state.value != "sending"


async def test_a_restored_message_that_nobody_has_is_sent_after_the_pause() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        await go_back(hub, await hub.one(contract), restored=True)
        hub.twilio.accepted.clear()
        hub.twilio.by_number.clear()
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.pause.begin(tx.now)
        await hub.run_round(MINUTES)
        assert not hub.twilio.accepted
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.pause.end()
        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == 1


@pytest.mark.parametrize(("restored", "messages"), [(True, 1), (False, 2)])
async def test_a_step_that_the_hub_before_a_restore_carried_out_is_asked_about(restored: bool, messages: int) -> None:
    """The backup is from before the step was due: nothing in it says that there ever was a message."""
    async with routed() as hub:
        contract = await hub.invited()
        await as_before_the_step(hub, contract.id, restored=restored)
        hub.clock.advance(timedelta(minutes=1))
        await hub.sweep()
        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == messages
        after = await hub.one(contract)
        assert after.provider == "sms_twilio" and after.state.value != "sending"


async def test_a_step_that_nobody_carried_out_is_sent_and_later_ones_at_once() -> None:
    async with routed() as hub:
        contract = await hub.issue()
        await tamper(hub.running.hub.database.dsn, UNTIL, hub.clock())
        await hub.sweep()
        assert not hub.twilio.accepted
        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == 1
        assert (await hub.one(contract)).provider == "sms_twilio"
        hub.clock.advance(timedelta(minutes=1))
        await hub.invited(phone="+12025550102")
        assert len(hub.twilio.accepted) == 2


async def as_before_the_step(hub: Routed, contract: UUID, *, restored: bool) -> None:
    dsn, due = hub.running.hub.database.dsn, hub.clock()
    await tamper(dsn, "UPDATE reminder_entry SET delivery = NULL WHERE contract = $1", contract)
    await tamper(dsn, "DELETE FROM delivery WHERE contract = $1", contract)
    back = "UPDATE signing_task SET next_step = 'invitation', step_number = 0, next_due_at = $2 WHERE contract = $1"
    await tamper(dsn, back, contract, due)
    if restored:
        await tamper(dsn, UNTIL, due)
