"""The ladder: what did not reach its person through one channel goes by the next, and at the end staff have a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from channels import ChannelContext, Message, Receipt, sms_aliyun, sms_twilio
from channels.outbox import Outbox
from hub.lifecycle.messaging.send import NewMessage, send_at_once
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.model.contract.contract import Contract
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.message import ANSWERS, Purpose
from hub.model.messaging.provider import ProviderSettings
from hub.model.reminders.schedule import NextStep, StepKind
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from qianda.client import SigningClient
from tests.channels.doubles import Trouble
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_twilio import Double
from tests.lifecycle.clockwork import NIGHT, SHANGHAI, StandingClock
from tests.poster_visits import Family, make_poster
from tests.router.routed import PHONE, Routed, routed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Second:
    """Another channel, whose texts a test can read: the outbox, in memory."""

    name: str
    texts: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._outbox = Outbox(Ledger([]))
        self.rules = self._outbox.rules

    async def send(self, message: Message) -> Receipt:
        self.texts.append(message)
        return await self._outbox.send(message)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        return await self._outbox.find(message)

    @property
    def provider(self) -> ProviderSettings:
        return ProviderSettings(self.name, "outbox", self.name, rate=1000)


def with_more(hub: Routed, *names: str) -> list[Second]:
    more = [Second(name) for name in names]
    hub.providers(*((each.provider, each) for each in more))
    return more


async def get_channels(hub: Routed, contract: Contract) -> list[tuple[str, str, int]]:
    """Return channel, state and ladder position of the messages that the hub started. Answers to what a person wrote do
    not count."""
    found = [each for each in await hub.deliveries(contract) if each.purpose not in ANSWERS]
    return [(each.channel, each.state.value, each.rung) for each in found]


async def test_an_undelivered_text_is_followed_by_a_voice_then_a_mail_then_a_staff_task() -> None:
    async with routed() as hub:
        voice, email = with_more(hub, "voice", "email")
        contract = await hub.invited(channels=("sms", "voice", "email"))
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert [name for name, *_ in await get_channels(hub, contract)] == ["sms", "voice"]
        assert len(voice.texts) == 1
        await hub.run_round(timedelta(hours=25))  # nobody opened it
        assert [name for name, *_ in await get_channels(hub, contract)][:3] == ["sms", "voice", "email"]
        assert len(email.texts) == 1 and "/s/" in email.texts[0].text
        assert await hub.staff_tasks(contract) == []
        await hub.run_round(timedelta(hours=25))
        assert await hub.staff_tasks(contract) == ["unreached"]


async def test_no_receipt_in_ten_minutes_is_no_receipt() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await hub.run_round(timedelta(minutes=9))
        assert voice.texts == []
        await hub.run_round(timedelta(minutes=2))
        assert len(voice.texts) == 1
        assert (await get_channels(hub, contract))[0][1] == "sent"


async def test_what_was_delivered_and_opened_needs_no_other_way() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "delivered")
        await hub.heard()
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.tasks.note_opened(task.id, "sms", tx.now)
        await hub.run_round(timedelta(hours=25))
        assert voice.texts == [] and await hub.staff_tasks(contract) == []


async def opened(hub: Routed, *contracts: Contract) -> None:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        for contract in contracts:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.tasks.note_opened(task.id, "sms", tx.now)


async def test_a_reminder_that_fails_goes_by_the_next_way_also_to_whoever_opened_the_first_message() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "delivered")
        await hub.heard()
        await opened(hub, contract)
        await days_pass(hub, 2)
        assert len(hub.twilio.accepted) == 2
        assert voice.texts == []  # it arrived, and they know of the contract
        hub.clock.advance(timedelta(days=1))
        await hub.sweep()
        reminder = hub.twilio.accepted[2]
        await hub.twilio.finish(reminder.reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert [each.purpose for each in voice.texts] == ["reminder"]
        hub.twilio.trouble = [Trouble.BAD_NUMBER]
        hub.providers()
        await hub.run_round(timedelta(days=5))
        await hub.sweep()
        await hub.run_round()
        assert "unreached" in await hub.staff_tasks(contract)


async def test_whoever_opens_after_a_message_needs_no_other_way_of_it_though_it_failed() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await opened(hub, contract)  # for example by a code at the desk
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert voice.texts == [] and await hub.staff_tasks(contract) == []


async def test_a_task_that_begins_anew_was_opened_by_nobody_yet() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))
        await opened(hub, contract)
        hub.clock.advance(timedelta(hours=1))
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.tasks.open(task.id, NextStep(StepKind.INVITATION, 0, hub.clock()), hub.clock())
        for _ in range(2):
            await hub.sweep()
            await hub.twilio.finish(hub.twilio.accepted[-1].reference, "delivered")
            await hub.heard()
            await hub.run_round(timedelta(hours=25))
        assert voice.texts and voice.texts[0].purpose == "invitation"
        await opened(hub, contract)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
        assert task.opened_at == hub.clock()


async def test_a_late_receipt_of_an_earlier_way_moves_nothing_once_a_later_way_went() -> None:
    async with routed() as hub:
        voice, email = with_more(hub, "voice", "email")
        contract = await hub.invited(channels=("sms", "voice", "email"))
        await hub.run_round(timedelta(minutes=11))
        assert len(voice.texts) == 1  # there was no receipt in time, and the voice call reached them
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert email.texts == [] and await hub.staff_tasks(contract) == []


async def days_pass(hub: Routed, days: int) -> None:
    """Let days pass on which everything that is sent arrives."""
    for _ in range(days * 2):
        await hub.sweep()
        for each in list(hub.twilio.accepted):
            if hub.twilio.resources[each.reference].status == "queued":
                await hub.twilio.finish(each.reference, "delivered")
        await hub.heard()
        await hub.run_round(timedelta(hours=12))


async def test_whoever_opens_nothing_of_the_one_way_there_is_becomes_one_staff_task() -> None:
    """The task is created neither after the first message nor again with each reminder."""
    async with routed() as hub:
        contract = await hub.invited(channels=("sms",))
        await days_pass(hub, 3)
        assert await hub.staff_tasks(contract) == []
        await days_pass(hub, 2)
        assert await hub.staff_tasks(contract) == ["unreached"]
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks(contract.id)
            assert "opens none of them" in task.text
            await tx.staff_tasks.finish_task(task.id, "staff:x", tx.now)
        await days_pass(hub, 12)
        assert len(hub.twilio.accepted) >= 5
        assert await hub.staff_tasks(contract) == ["unanswered"]  # staff have called; now reminders go unanswered


async def test_the_next_way_waits_for_the_morning() -> None:
    async with routed(StandingClock(moment=NIGHT)) as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.invited(channels=("sms", "voice"))  # "now" answers a person's act, at any hour
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert voice.texts == []
        morning = (await hub.one(contract)).check_at
        assert morning and 9 <= morning.astimezone(SHANGHAI).hour < 21
        await hub.run_round(morning - hub.clock())
        assert len(voice.texts) == 1


@pytest.mark.parametrize(("minutes", "sent"), [(5, 1), (30, 0)])
async def test_who_asks_for_an_invitation_at_night_gets_it_as_long_as_they_wait(minutes: int, sent: int) -> None:
    async with routed(StandingClock(moment=NIGHT)) as hub:
        address, hub.twilio.url = hub.twilio.url, "http://127.0.0.1:1"
        hub.providers()
        await hub.invited()
        hub.twilio.url = address
        hub.providers()
        await hub.run_round(timedelta(minutes=minutes))
        assert len(hub.twilio.accepted) == sent
        await hub.run_round(timedelta(hours=21))
        assert len(hub.twilio.accepted) == 1


async def test_that_a_deadline_has_passed_is_told_by_the_next_way_in_the_morning() -> None:
    async with routed(StandingClock(moment=NIGHT)) as hub:
        (email,) = with_more(hub, "email")
        contract = await hub.issue(channels=("sms", "email"), send="none")
        services = hub.running.hub.services
        async with services.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
            news = await send_at_once(services, tx, contract, signer, NewMessage(Purpose.EXPIRED, "news"))
        assert news
        await services.messaging.router.send_delivery(news.id, fresh=True)  # it was day until just now
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round()
        assert email.texts == []
        await hub.run_round(timedelta(hours=21))
        assert len(email.texts) == 1


async def test_a_code_that_does_not_arrive_is_read_by_a_voice() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.issue(send="none")
        landed = await open_ticket(hub.running.hub.services, await hub.running.ticket(contract, DoorKind.COPY))
        await send_code(hub.running.hub.services, landed.secret)
        await hub.run_round()
        await hub.twilio.finish(hub.twilio.accepted[0].reference, "undelivered", 30003)
        await hub.heard()
        await hub.run_round(timedelta(seconds=10))
        (said,) = voice.texts
        assert said.purpose == "code" and said.variables["code"] in hub.twilio.accepted[0].text


async def test_whoever_asks_for_it_hears_the_code_and_any_other_wish_is_as_none() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.issue(send="none")
        landed = await open_ticket(hub.running.hub.services, await hub.running.ticket(contract, DoorKind.COPY))
        headers = {"Authorization": f"Bearer {landed.secret}"}

        async def ask(**wish: str) -> tuple[int, str]:
            async with hub.running.http.post(
                f"{hub.running.origin}/sign/v1/code", json=wish, headers=headers
            ) as answer:
                return answer.status, await answer.text()

        answers = [await ask(channel="voice")]
        await hub.run_round()
        assert [each.purpose for each in voice.texts] == ["code"] and hub.twilio.accepted == []
        assert (await ask())[0] == 429  # one budget for all channels
        for wish in ("pigeon", "email", ""):
            hub.clock.advance(timedelta(minutes=2))
            answers.append(await ask(channel=wish))
            await hub.run_round()
        assert answers == [(202, "{}")] * 4
        assert len(hub.twilio.accepted) == 3 and len(voice.texts) == 1
        hub.providers()  # voice is not available any more
        hub.clock.advance(timedelta(minutes=2))
        assert await ask(channel="voice") == (202, "{}")
        await hub.run_round()
        assert len(hub.twilio.accepted) == 4


async def test_a_visitor_by_a_poster_hears_the_code_on_wish() -> None:
    async with routed() as hub:
        (voice,) = with_more(hub, "voice")
        _, ticket = await make_poster(hub.running)
        family = Family(phone=PHONE)
        async with SigningClient(hub.running.origin) as client:
            await client.open_poster(ticket, family.phone, family.parent)
            headers = {"Authorization": f"Bearer {client.bearer}"}

            async def ask(**wish: str) -> int:
                code = f"{hub.running.origin}/sign/v1/code"
                async with hub.running.http.post(code, json=wish, headers=headers) as answer:
                    return answer.status

            assert await ask(channel="voice") == 202
            await hub.run_round()
            assert [each.purpose for each in voice.texts] == ["code"] and hub.twilio.accepted == []
            assert await ask() == 429  # one budget for both channels
            for wish in ({}, {"channel": "email"}):
                hub.clock.advance(timedelta(minutes=2))
                assert await ask(**wish) == 202
                await hub.run_round()
            assert (len(hub.twilio.accepted), len(voice.texts)) == (2, 1)
            hub.providers()  # voice is not available any more
            hub.clock.advance(timedelta(minutes=2))
            assert await ask(channel="voice") == 202
            await hub.run_round()
            assert len(hub.twilio.accepted) == 3


async def test_a_busy_provider_hands_over_to_the_next_and_gets_less() -> None:
    async with routed(trouble=[Trouble.BUSY] * 50) as hub:
        second = Double(now=hub.clock)
        async with second.serving():
            place = ChannelContext(
                "second", f"{hub.running.origin}/callbacks/second", hub.running.http, Ledger([]), hub.clock
            )
            hub.providers(
                (
                    ProviderSettings("second", "sms_twilio", "sms", rate=1000),
                    sms_twilio.connect(second.options(), place),
                )
            )
            for number in range(8):
                await hub.invited(phone=f"+1202555030{number}")
            assert len(second.accepted) == 8 and hub.twilio.accepted == []
            assert hub.twilio.requests < 6  # its weight fell at once
            async with hub.running.hub.database.transaction(EVERYTHING) as tx:
                health = (await tx.providers.get_healths(["sms_twilio"]))["sms_twilio"]
                assert health.weight < 0.6
                assert health.compute_weight(1.0, tx.now + timedelta(hours=1)) == 1.0


async def test_a_text_that_one_provider_lacks_goes_by_another() -> None:
    async with routed() as hub:
        secret = {"access_key_id": "LTAItest", "access_key_secret": "s" * 20, "callback_secret": "c" * 40}
        place = ChannelContext(
            "aliyun", f"{hub.running.origin}/callbacks/aliyun", hub.running.http, Ledger([]), hub.clock
        )
        without_texts = sms_aliyun.connect({**secret, "sign_name": "x", "templates": {}}, place)
        heavy = ProviderSettings("aliyun", "sms_aliyun", "sms", weight=1000, rate=1000)
        hub.providers((heavy, without_texts))
        for number in range(3):
            await hub.invited(phone=f"+1202555031{number}")
        assert len(hub.twilio.accepted) == 3


async def test_a_broken_account_gets_no_traffic_until_it_is_probed_and_staff_hear_of_it_once() -> None:
    async with routed(trouble=[Trouble.ACCOUNT, Trouble.ACCOUNT]) as hub:
        contract = await hub.invited()
        await hub.invited(phone="+12025550302")
        assert hub.twilio.requests == 1
        await hub.run_round(timedelta(minutes=11))
        assert hub.twilio.requests == 2
        await hub.run_round(timedelta(minutes=11))
        await hub.run_round(timedelta(minutes=2))
        assert len(hub.twilio.accepted) == 2
        assert (await hub.one(contract)).state is DeliveryState.SENT
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            alerts = await tx.connection.fetch("SELECT facts FROM alert WHERE kind = 'provider-broken'")
            assert len(alerts) == 1
            assert (await tx.providers.get_healths(["sms_twilio"]))["sms_twilio"].broken_at is None
