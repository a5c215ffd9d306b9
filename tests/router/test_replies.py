"""Who carries a text that staff write: a provider of registered texts only where it has one for it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from channels import Channel, ChannelContext, sms_aliyun
from hub.lifecycle.messaging.send import get_channels
from hub.model.contract.signer import Signer
from hub.model.messaging.message import Purpose
from hub.model.messaging.provider import ProviderSettings
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from tests.channels.doubles.sms_aliyun import Double
from tests.router.routed import Routed, routed, written

pytestmark = pytest.mark.asyncio(loop_scope="module")

REGISTERED = {"reply.zh": {"id": "SMS_20", "variables": ["school", "campus", "reply"]}}


def aliyun(place: ChannelContext, **more: Any) -> Channel:
    """Return a channel that is never called here."""
    options = {**Double().options(), "endpoint": "http://127.0.0.1:9"}
    return sms_aliyun.connect(options | {"templates": {**options["templates"], **more}}, place)


async def channels_of(hub: Routed, signer: Signer) -> list[str]:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        return await get_channels(hub.running.hub.services, tx, signer, Purpose.REPLY)


async def test_a_provider_of_registered_texts_carries_no_text_of_our_own() -> None:
    async with routed() as hub:
        contract = await hub.issue(send="none")
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
        router = hub.running.hub.services.messaging.router
        alone = Provider(ProviderSettings("sms_aliyun", "sms_aliyun", "sms"), aliyun(hub.place))
        router.providers = ProviderSet([alone], random.Random(1).random)
        assert await channels_of(hub, signer) == []
        able = Provider(alone.settings, aliyun(hub.place, **REGISTERED))
        router.providers = ProviderSet([able], random.Random(1).random)
        assert await channels_of(hub, signer) == ["sms"]
        assert await channels_of(hub, replace(signer, language="en")) == []


async def test_beside_another_provider_the_other_one_is_booked() -> None:
    async with routed() as hub:
        hub.providers(
            (ProviderSettings("sms_aliyun", "sms_aliyun", "sms", rate=1000, weight=1000.0), aliyun(hub.place))
        )
        providers = hub.running.hub.services.messaging.router.providers
        for purpose, among in (("reply", {"sms_twilio"}), ("help", {"sms_twilio", "sms_aliyun"})):
            delivery = await written(hub, purpose=purpose)
            async with hub.running.hub.database.transaction(EVERYTHING) as tx:
                booked = [await providers.book(tx, delivery, ()) for _ in range(30)]
            assert {each.provider.name for each in booked if each} <= among
        assert "sms_aliyun" in {each.provider.name for each in booked if each}
