"""A receipt that does not come is asked for, before the next channel is used and before the provider's weight falls."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.model.staff.scope import EVERYTHING
from tests.router.routed import Routed, routed
from tests.router.test_ladder import get_channels, with_more

pytestmark = pytest.mark.asyncio(loop_scope="module")

IN_VAIN = timedelta(minutes=11)


def told_to_nobody(hub: Routed, *steps: str, code: int | None = None) -> None:
    """Give the first message these statuses without any callback about them."""
    for step in steps:
        hub.twilio.advance(hub.twilio.accepted[0].reference, step, code if step == steps[-1] else None)


async def weight(hub: Routed) -> float:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        health = (await tx.providers.get_healths(["sms_twilio"])).get("sms_twilio")
        return health.compute_weight(1.0, tx.now) if health else 1.0


async def test_what_has_arrived_without_a_receipt_needs_no_other_way() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        told_to_nobody(hub, "sending", "sent", "delivered")
        await hub.run_round(IN_VAIN)
        assert await get_channels(hub, contract) == [("sms", "delivered", 0)]
        assert voice.texts == [] and await weight(hub) == 1.0


async def test_what_has_failed_without_a_receipt_goes_by_the_next_way_and_is_not_held_against_the_provider() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        told_to_nobody(hub, "sending", "sent", "undelivered", code=30003)
        await hub.run_round(IN_VAIN)
        assert [name for name, *_ in await get_channels(hub, contract)] == ["sms", "voice"]
        assert (await get_channels(hub, contract))[0] == ("sms", "undelivered", 0)
        assert len(voice.texts) == 1 and await weight(hub) == 1.0


@pytest.mark.parametrize("answers", [True, False])
async def test_who_cannot_say_what_became_of_it_is_slow(answers: bool) -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        if not answers:
            hub.twilio.resources.clear()
        await hub.run_round(IN_VAIN)
        assert (await get_channels(hub, contract))[0] == ("sms", "sent", 0)
        assert len(voice.texts) == 1 and await weight(hub) < 1.0


async def test_the_one_way_there_is_is_asked_again_before_staff_hear_of_it() -> None:
    async with routed() as hub:
        contract = await hub.invited(channels=("sms",))
        await hub.run_round(IN_VAIN)
        told_to_nobody(hub, "sending", "sent", "delivered")
        await hub.run_round(timedelta(hours=25))
        assert (await get_channels(hub, contract))[0] == ("sms", "delivered", 0)
        assert await hub.staff_tasks(contract) == []
