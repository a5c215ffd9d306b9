"""Receipts and lost replies, judged by the double's own ledger: whatever comes, in whatever order, the outcome is the
same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from yarl import URL

from channels import CallbackRequest, Fate
from hub.model.contract.contract import Contract
from hub.model.messaging.delivery import DeliveryState
from hub.model.staff.scope import EVERYTHING
from tests.channels.doubles import Trouble
from tests.router.routed import LATER, PHONE, Routed, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def state(routed: Routed, contract: Contract) -> DeliveryState:
    return (await routed.one(contract)).state


async def called(routed: Routed, call: CallbackRequest, **headers: str) -> int:
    """Make a callback, genuine or not. Return the HTTP status of the answer."""
    address = URL(routed.running.origin + call.path, encoded=True)
    async with routed.running.http.post(address, data=call.body, headers={**call.headers, **headers}) as answer:
        return answer.status


async def test_the_reply_is_lost_after_acceptance() -> None:
    async with routed(trouble=[Trouble.LOSE_REPLY]) as hub:
        contract = await hub.invited()
        assert await state(hub, contract) is DeliveryState.UNKNOWN
        await hub.run_round()
        assert await state(hub, contract) is DeliveryState.SENT
        assert len(hub.twilio.accepted) == 1


async def test_calls_come_twice_and_in_the_wrong_order() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        (message,) = hub.twilio.accepted
        for status in ("delivered", "sent", "delivered", "queued", "sending", "sent"):
            assert await hub.twilio.call_back(message.reference, status) == 204
        await hub.heard()
        assert await state(hub, contract) is DeliveryState.DELIVERED


async def test_late_bad_news_after_delivery_changes_nothing() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        (message,) = hub.twilio.accepted
        for status, code in (("delivered", None), ("undelivered", 30003)):
            assert await hub.twilio.call_back(message.reference, status, code) == 204
            await hub.heard()
        assert await state(hub, contract) is DeliveryState.DELIVERED


async def test_a_call_that_comes_before_our_own_returned_counts_and_one_about_nothing_is_put_away() -> None:
    async with routed(trouble=[Trouble.LOSE_REPLY]) as hub:
        contract = await hub.invited()
        (message,) = hub.twilio.accepted
        assert (await hub.one(contract)).provider_reference is None
        assert await hub.twilio.call_back(message.reference, "delivered") == 204
        await hub.heard()
        assert await state(hub, contract) is DeliveryState.DELIVERED

        stranger = hub.twilio.resources[message.reference]
        form = {**stranger.form, "StatusCallback": f"{hub.place.callbacks}?key=nobody-knows-it"}
        unknown = hub.twilio.status_call(replace(stranger, sid="SM" + "0" * 32, form=form), "undelivered", 30005)
        assert await called(hub, unknown) == 204
        await hub.heard()
        assert await state(hub, contract) is DeliveryState.DELIVERED


async def test_what_is_not_signed_is_refused_and_not_stored() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        (message,) = hub.twilio.accepted
        genuine = hub.twilio.reported(message, Fate.UNDELIVERED, hub.place)
        assert genuine
        unsigned = replace(genuine, headers={"content-type": genuine.headers["content-type"]})
        for call in (unsigned, hub.twilio.forged(genuine), replace(genuine, body=genuine.body + b"&MessageSid=SM1")):
            assert await called(hub, call) == 403
        elsewhere = replace(genuine, path="/callbacks/pigeon")
        assert await called(hub, elsewhere) == 403
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.callbacks.list_due(tx.now + LATER) == []
        assert await state(hub, contract) is DeliveryState.SENT


async def test_the_database_is_away_during_a_call_and_the_provider_calls_again() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        (message,) = hub.twilio.accepted
        genuine = hub.twilio.reported(message, Fate.DELIVERED, hub.place)
        assert genuine
        database = hub.running.hub.database
        await database.pool.close()
        await database.callback_writer.close()
        address, database.dsn = database.dsn, "postgresql://app@127.0.0.1:1/gone"
        try:
            assert await called(hub, genuine) == 503
        finally:
            database.dsn = address
        assert await hub.twilio.call_back(message.reference, "delivered") == 204
        await hub.heard()
        assert await state(hub, contract) is DeliveryState.DELIVERED


async def test_a_burst_of_429_is_waited_out() -> None:
    async with routed(trouble=[Trouble.BUSY] * 4) as hub:
        contract = await hub.invited()
        for _ in range(3):
            assert await state(hub, contract) is DeliveryState.SENDING
            await hub.run_round()
        await hub.run_round(timedelta(minutes=1))
        assert await state(hub, contract) is DeliveryState.SENT
        assert len(hub.twilio.accepted) == 1


async def test_a_number_that_opted_out_at_the_provider_is_remembered_here() -> None:
    async with routed(trouble=[Trouble.OPTED_OUT]) as hub:
        contract = await hub.invited()
        delivery = await hub.one(contract)
        assert (delivery.state, delivery.failure_kind) == (DeliveryState.REFUSED, "opted-out")
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.opt_outs.list_channels(PHONE) == {"sms", "voice"}
        await hub.run_round()
        assert await hub.staff_tasks(contract) == ["unreached"]


async def test_a_storm_of_filtered_messages_stops_the_provider_and_tells_staff() -> None:
    async with routed() as hub:
        for number in range(6):
            contract = await hub.invited(phone=f"+1202555020{number}")
            if len(hub.twilio.accepted) > number:
                await hub.twilio.finish(hub.twilio.accepted[-1].reference, "undelivered", 30007)
                await hub.heard()
        assert len(hub.twilio.accepted) == 5
        assert await state(hub, contract) is DeliveryState.SENDING  # it waits: no call made the storm worse
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            health = (await tx.providers.get_healths(["sms_twilio"]))["sms_twilio"]
            alerts = await tx.connection.fetch("SELECT kind FROM alert")
            assert [kind for (kind,) in alerts] == ["provider-broken"]
        assert health.broken_at is not None
