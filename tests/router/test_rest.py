"""When a provider says until when it accepts no messages, no worker calls it before that. Its own ledger judges."""

from __future__ import annotations

import io
import json
import random
from datetime import datetime, timedelta

import pytest

from channels import CannotAsk, ChannelContext, Fate, Message, NotNow, Receipt, Rules, sms_twilio
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.model.contract.contract import Contract
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.provider import ProviderSettings
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from tests.channels.doubles import Trouble
from tests.channels.doubles.ledger import Ledger as Raw
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_twilio import Double
from tests.channels.doubles.twilio import RETRY_AFTER
from tests.router.routed import Routed, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND = timedelta(seconds=1)


def asked(raw: io.StringIO, since: datetime) -> list[float]:
    """Return the seconds since `since` at which the provider was asked to accept a message, by its ledger."""
    lines = [json.loads(line) for line in raw.getvalue().splitlines()]
    moments = [datetime.fromisoformat(line["clock"]) for line in lines if line["what"] == "asked"]
    return [(moment - since).total_seconds() for moment in moments]


async def ask_for_a_code(hub: Routed, contract: Contract) -> None:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        (signer,) = await tx.contracts.list_signers(contract.id)
        link = await tx.links.get_for_door(signer, DoorKind.QR, tx.now)
        ticket = tx.links.ticket(link)
    opened = await open_ticket(hub.running.hub.services, ticket)
    await send_code(hub.running.hub.services, opened.secret)
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        (code,) = [each for each in await tx.deliveries.list_of_contract(contract.id) if each.purpose == "code"]
    await hub.running.hub.services.messaging.router.send_delivery(code.id, fresh=True)


async def test_nobody_calls_inside_the_rest_that_a_burst_of_429_asked_for() -> None:
    async with routed(trouble=[Trouble.BUSY] * 3, ledger=Raw(raw := io.StringIO())) as hub:
        start = hub.clock()
        contracts = [await hub.issue(phone=f"+1202555040{number}") for number in range(3)]
        await hub.sweep()
        assert asked(raw, start) == [0, 0, 0]
        for _ in range(RETRY_AFTER - 1):
            hub.providers()  # another worker: all it knows is in the database
            await hub.run_round(SECOND)
        assert asked(raw, start) == [0, 0, 0]
        for _ in range(20):
            await hub.run_round(SECOND)
        assert len(hub.twilio.accepted) == 3
        assert min(asked(raw, start)[3:]) >= RETRY_AFTER
        for contract in contracts:
            assert (await hub.one(contract)).state is DeliveryState.SENT


async def test_a_message_that_waited_for_its_turn_meanwhile_is_not_sent_into_the_rest() -> None:
    async with routed(trouble=[Trouble.BUSY], ledger=Raw(raw := io.StringIO())) as hub:
        hub.providers(rate=3.0)  # so the second message waits almost half a second
        start = hub.clock()
        for number in range(2):
            await hub.issue(phone=f"+1202555041{number}")
        await hub.sweep()
        assert asked(raw, start) == [0]
        for _ in range(4):
            await hub.run_round(timedelta(seconds=RETRY_AFTER))
        assert len(hub.twilio.accepted) == 2
        assert min(asked(raw, start)[1:]) >= RETRY_AFTER


class Weary:
    """A provider that asks twice to be left alone for eleven days."""

    rules = Rules()

    def __init__(self) -> None:
        self.asked = 0

    async def send(self, message: Message) -> Receipt:
        self.asked += 1
        if self.asked < 3:
            raise NotNow("too many requests", timedelta(seconds=999_999))
        return Receipt(Fate.ACCEPTED)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        raise CannotAsk("it answers no questions")


async def test_nobody_is_left_alone_for_days_and_staff_hear_of_a_long_rest_once_a_day() -> None:
    async with routed() as hub:
        weary = Weary()
        weary_one = Provider(ProviderSettings("weary", "sms_weary", "sms", rate=1000), weary)
        hub.running.hub.services.messaging.router.providers = ProviderSet([weary_one], random.Random(1).random)
        contract = await hub.invited()
        for minutes, asked_by_then in ((58, 1), (3, 2), (61, 3)):
            await hub.run_round(timedelta(minutes=minutes))
            assert weary.asked == asked_by_then
        assert (await hub.one(contract)).state is DeliveryState.SENT
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            told = await tx.connection.fetch("SELECT facts FROM alert WHERE kind = 'provider-rests'")
            assert [each.facts for each in told] == [{"provider": "weary", "minutes": 60}]


async def test_codes_go_to_another_provider_meanwhile() -> None:
    async with routed(trouble=[Trouble.BUSY], ledger=Raw(raw := io.StringIO())) as hub:
        start = hub.clock()
        contract = await hub.invited(phone="+12025550420")
        second = Double(now=hub.clock)
        async with second.serving():
            place = ChannelContext(
                "second", f"{hub.running.origin}/callbacks/second", hub.running.http, Ledger([]), hub.clock
            )
            hub.providers(
                (
                    ProviderSettings("second", "sms_twilio", "sms", weight=0.0001, rate=1000),
                    sms_twilio.connect(second.options(), place),
                )
            )
            await ask_for_a_code(hub, contract)
            assert len(second.accepted) == 1  # however little it gets otherwise
            assert asked(raw, start) == [0]
