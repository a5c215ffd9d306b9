"""What people write by SMS is answered in their language, with counts and no names."""

from __future__ import annotations

from datetime import timedelta

from hub.model.staff.scope import EVERYTHING
from tests.router.routed import PHONE, Routed, routed


async def said(hub: Routed, text: str, sender: str = PHONE) -> list[str]:
    """Write an SMS to the school. Return the texts of the answers."""
    before = len(hub.twilio.accepted)
    hub.twilio.stopped.clear()  # the double refuses to answer a STOP, as Twilio does; this test is about the words
    assert await hub.twilio.write(sender, text, f"{hub.place.callbacks}/inbound") == 200
    hub.twilio.stopped.clear()
    await hub.heard()
    await hub.run_round(timedelta(seconds=30))
    return [each.text for each in hub.twilio.accepted[before:]]


async def test_every_wish_is_answered_to_a_number_on_file_and_to_nobody_else() -> None:
    async with routed() as hub:
        await hub.invited()
        (status,) = await said(hub, "进度")
        assert "待您签署1份，已签0份" in status and "陈" not in status
        (english,) = await said(hub, "STATUS")
        assert "待您签署1份" in english  # Latin letters say little: the language on file counts
        (helped,) = await said(hub, "帮助")
        assert "进度" in helped and "退订" in helped
        hub.clock.advance(timedelta(minutes=11))
        (link,) = await said(hub, "重发")
        assert "/s/" in link
        assert await said(hub, "重发") == []  # once in ten minutes
        (stopped,) = await said(hub, "退订")
        assert "START" in stopped
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.opt_outs.list_channels(PHONE) == {"sms", "voice"}
        (started,) = await said(hub, "START")
        assert "恢复" in started
        assert await said(hub, "thank you") == []
        assert await said(hub, "STATUS", sender="+12025550999") == []


async def test_a_call_that_is_repeated_is_answered_once() -> None:
    async with routed() as hub:
        await hub.invited()
        call = hub.twilio.written(PHONE, "STATUS", hub.place)
        assert call
        for _ in range(3):
            async with hub.running.http.post(
                hub.running.origin + call.path, data=call.body, headers=dict(call.headers)
            ) as answer:
                assert answer.status == 200
        await hub.heard()
        await hub.run_round(timedelta(seconds=30))
        assert len(hub.twilio.accepted) == 2
