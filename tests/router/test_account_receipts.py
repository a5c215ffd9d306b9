"""Receipts about more than one message: about a whole account, about a number abroad, and receipts that nobody can
read."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from channels import ChannelContext, Fate, sms_aliyun
from hub.model.contract.contract import Contract
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.provider import Health, ProviderSettings
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from hub.store.inbound.callback_writer import CALL
from tests.channels.doubles import Trouble
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_aliyun import Double as Aliyun, called
from tests.router.routed import Routed, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTES = timedelta(minutes=11)
ABROAD = "+85291234567"


async def health(hub: Routed, name: str = "sms_twilio") -> Health:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        return (await tx.providers.get_healths([name]))[name]


async def alerts(hub: Routed) -> list[Mapping[str, Any]]:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.connection.fetch("SELECT facts FROM alert WHERE kind = 'provider-broken'")
        return [row.facts for row in found]


async def test_a_receipt_that_speaks_of_the_account_stops_it_until_a_message_arrives() -> None:
    async with routed() as hub:
        await hub.invited(phone="+12025550601")
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30034)
        await hub.heard()
        assert (await health(hub)).broken_at is not None
        assert await alerts(hub) == [{"provider": "sms_twilio", "reason": "undelivered, code 30034"}]
        await hub.invited(phone="+12025550602")
        await hub.invited(phone="+12025550603")
        assert len(hub.twilio.accepted) == 1  # they wait

        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == 2  # one of them, to test whether it gets through
        assert (await health(hub)).broken_at is not None  # acceptance proves nothing: the first was accepted, too
        await hub.twilio.finish(hub.twilio.accepted[1].reference, "undelivered", 30034)
        await hub.heard()
        await hub.twilio.call_back(hub.twilio.accepted[1].reference)
        await hub.heard()
        assert len(await alerts(hub)) == 1

        await hub.run_round(MINUTES)
        assert len(hub.twilio.accepted) == 3
        await hub.twilio.finish(hub.twilio.accepted[2].reference, "delivered")
        await hub.heard()
        assert (await health(hub)).broken_at is None
        await hub.invited(phone="+12025550604")
        assert len(hub.twilio.accepted) == 4


async def test_an_account_works_again_with_a_message_that_is_found_to_have_arrived() -> None:
    async with routed() as hub:
        await hub.invited(phone="+12025550621")
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30034)
        await hub.heard()
        await hub.invited(phone="+12025550622")
        hub.twilio.trouble = [Trouble.LOSE_REPLY]
        await hub.run_round(MINUTES)
        for step in ("sending", "sent", "delivered"):
            hub.twilio.advance(hub.twilio.accepted[1].reference, step)
        assert (await health(hub)).broken_at is not None
        await hub.run_round(MINUTES)  # the provider is asked, as no reply came
        assert (await health(hub)).broken_at is None


async def test_what_was_on_its_way_before_the_account_broke_proves_nothing() -> None:
    async with routed() as hub:
        for number in ("+12025550611", "+12025550612"):
            await hub.invited(phone=number)
        hub.clock.advance(timedelta(minutes=1))
        first, second = (each.reference for each in hub.twilio.accepted)
        await hub.twilio.finish(first, "undelivered", 30032)
        await hub.heard()
        await hub.twilio.finish(second, "delivered")
        await hub.heard()
        assert (await health(hub)).broken_at is not None


# ---- Aliyun, which signs nothing and can be asked


@dataclass
class Abroad:
    hub: Routed
    aliyun: Aliyun
    place: ChannelContext

    async def tell(self, *entries: Mapping[str, Any]) -> int:
        call = called(self.place, list(entries))
        address = URL(self.hub.running.origin + call.path, encoded=True)
        async with self.hub.running.http.post(address, data=call.body, headers=dict(call.headers)) as answer:
            status = answer.status
        await self.hub.heard()
        return status

    async def state(self, contract: Contract) -> DeliveryState:
        return (await self.hub.one(contract)).state

    def entry(self, phone: str, status: str) -> dict[str, str]:
        """Return a report in the form of Aliyun's international site."""
        return {"To": phone.removeprefix("+"), "Status": status, "MessageId": "77000123", "ErrorCode": "success"}


@asynccontextmanager
async def by_aliyun() -> AsyncIterator[Abroad]:
    async with routed() as hub:
        aliyun = Aliyun()
        aliyun.clock = hub.clock
        async with aliyun.serving():
            place = ChannelContext(
                "aliyun", f"{hub.running.origin}/callbacks/aliyun", hub.running.http, Ledger([]), hub.clock
            )
            channel = sms_aliyun.connect({**aliyun.options(), "sign_name_abroad": "签达学校"}, place)
            provider = Provider(ProviderSettings("aliyun", "sms_aliyun", "sms", rate=1000), channel)
            hub.running.hub.services.messaging.router.providers = ProviderSet([provider], random.Random(1).random)
            yield Abroad(hub, aliyun, place)


async def test_an_international_receipt_is_matched_by_its_number_and_asked_about() -> None:
    async with by_aliyun() as here:
        contract = await here.hub.invited(phone=ABROAD)
        assert await here.state(contract) is DeliveryState.SENT
        assert await here.tell(here.entry(ABROAD, "1")) == 200
        assert await here.state(contract) is DeliveryState.SENT  # its list does not say so: a stranger may have called
        here.aliyun.report(here.aliyun.sent[0].biz_id, Fate.DELIVERED)
        assert await here.tell(here.entry(ABROAD, "1")) == 200
        assert await here.state(contract) is DeliveryState.DELIVERED


async def test_what_cannot_be_read_goes_to_staff_without_numbers_and_the_rest_counts() -> None:
    async with by_aliyun() as here:
        contract = await here.hub.invited(phone=ABROAD)
        good = here.aliyun.report(here.aliyun.sent[0].biz_id, Fate.DELIVERED)
        odd = {"phone_number": "13912345678", "success": "maybe", "err_code": "SOMETHING_NEW", "err_msg": "王小明"}
        for told in ([odd, good], [odd]):
            assert await here.tell(*told) == 200
        assert await here.state(contract) is DeliveryState.DELIVERED
        async with here.hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = [each for each in await tx.staff_tasks.list_open_tasks() if each.kind == "unread"]
            stored = await tx.connection.fetch("SELECT id, call_sealed FROM callback WHERE outcome = 'unread'")
            kept = [tx.cipher.decrypt_json(row.call_sealed, CALL.at(row.id))["unread"] for row in stored]
        assert task.text.splitlines()[1:] == [
            "aliyun",
            "success is no boolean",
            'phone_number=…, success=…, err_code="SOMETHING_NEW", err_msg=…',
        ]
        assert [json.loads(entry["entry"]) for (entry,) in kept] == [odd, odd]


async def test_an_unregistered_signature_stops_the_provider() -> None:
    async with by_aliyun() as here:
        await here.hub.invited(phone="+8613800000109")
        told = here.aliyun.report(here.aliyun.sent[0].biz_id, Fate.UNDELIVERED, "PORT_NOT_REGISTERED")
        assert await here.tell(told) == 200
        assert (await health(here.hub, "aliyun")).broken_at is not None
        assert await alerts(here.hub) == [{"provider": "aliyun", "reason": "PORT_NOT_REGISTERED"}]
