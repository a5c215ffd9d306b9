"""While hubs are restarted with another configuration, some know a provider that others do not."""

from __future__ import annotations

from datetime import timedelta

from channels import CallbackContent, Fate, Receipt, ReceiptReport
from hub.model.messaging.delivery import DeliveryState
from hub.model.staff.scope import EVERYTHING
from tests.channels.doubles import Trouble
from tests.router.routed import PHONE, routed, written
from tests.router.test_ladder import Second, with_more
from tests.router.test_waiting import MINUTE, known, only


async def test_what_is_of_a_provider_that_only_others_know_is_left_to_them() -> None:
    async with routed() as hub:
        hub.twilio.trouble = [Trouble.LOSE_REPLY]
        made = await written(hub)
        await hub.run_round()
        assert (await known(hub, made.id)).state is DeliveryState.UNKNOWN
        assert await hub.twilio.write(PHONE, "STOP", f"{hub.place.callbacks}/inbound") == 200
        older = Second("voice")
        only(hub, (older.provider, older))
        for _ in range(3):
            await hub.run_round(MINUTE)
        await hub.running.hub.services.messaging.router.send_delivery(made.id, fresh=False)
        hub.providers()
        await hub.run_round()
        assert (await known(hub, made.id)).state is DeliveryState.SENT
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.opt_outs.list_channels(PHONE) == {"sms", "voice"}


async def test_nobody_is_waited_for_after_a_day() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        hub.twilio.trouble = [Trouble.LOSE_REPLY]
        await hub.invited(channels=("sms", "voice"))
        await hub.told("sms_twilio", CallbackContent(reports=(ReceiptReport(Receipt(Fate.ACCEPTED, "x")),)))
        only(hub, (voice.provider, voice))
        await hub.run_round(timedelta(hours=25))
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.callbacks.list_due(tx.now + timedelta(days=1)) == []
            assert await tx.deliveries.list_unsettled(tx.now + timedelta(days=1)) == []
