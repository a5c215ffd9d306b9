"""Messages that wait do not hold up others, and whatever happens meanwhile counts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from channels import (
    CallbackContent,
    Channel,
    ChannelContext,
    Fate,
    Message,
    Receipt,
    ReceiptReport,
    Rules,
    sms_aliyun,
    sms_kannel,
)
from hub.lifecycle.reminders.run_due import run_step
from hub.lifecycle.signing.entry.open_link import open_ticket
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.lifecycle.signing.questions import ask
from hub.model.contract.signer import TaskState
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.delivery import Delivery, DeliveryState, StateReport
from hub.model.messaging.provider import ProviderSettings
from hub.model.signing.link import DoorKind
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from tests.channels.doubles import Trouble
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_aliyun import Double as Aliyun
from tests.channels.doubles.sms_kannel import Double as Kannel
from tests.commits import before_commits
from tests.database import tamper
from tests.router.routed import PHONE, Routed, routed, written
from tests.router.test_ladder import Second, get_channels, with_more
from tests.router.test_limits import limited

pytestmark = pytest.mark.asyncio(loop_scope="module")
MINUTE, HALF = timedelta(minutes=1), timedelta(seconds=30)


def only(hub: Routed, *pairs: tuple[ProviderSettings, Channel]) -> None:
    providers = ProviderSet([Provider(*each) for each in pairs], random.Random(1).random)
    hub.running.hub.services.messaging.router.providers = providers


def kannel_of(hub: Routed, double: Kannel) -> tuple[ProviderSettings, Channel]:
    """Return a provider that reports the fate of a message, and cannot be asked."""
    place = ChannelContext("kannel", f"{hub.running.origin}/callbacks/kannel", hub.running.http, Ledger([]), hub.clock)
    return ProviderSettings("kannel", "sms_kannel", "sms", rate=1000), sms_kannel.connect(double.options(), place)


async def committed(hub: Routed) -> UUID:
    """Write the attempt of a due step without calling a provider. Return the delivery's id."""
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        (claimed,) = await tx.tasks.claim_due(tx.planning_now, MINUTE, 5)
    delivery = await run_step(hub.running.hub.services, claimed)
    assert delivery
    return delivery


async def known(hub: Routed, delivery: UUID) -> Delivery:
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.deliveries.get(delivery)
    assert found
    return found


# ---- messages of unknown fate


async def test_a_message_whose_fate_nobody_can_tell_moves_its_ladder_by_one_way_and_no_more() -> None:
    async with routed() as hub:
        kannel = Kannel()
        async with kannel.serving():
            voice, email = Second("voice"), Second("email")
            only(hub, kannel_of(hub, kannel), (voice.provider, voice), (email.provider, email))
            kannel.trouble = [Trouble.LOSE_REPLY] * 2
            contract = await hub.invited(channels=("sms", "voice", "email"))
            for _ in range(16):
                await hub.run_round()
            assert len(kannel.accepted) == 2  # once more, and never again
            assert (len(voice.texts), len(email.texts)) == (1, 0)
            assert await hub.staff_tasks(contract) == []


async def test_a_receipt_has_time_to_come_also_where_the_message_had_waited() -> None:
    async with routed() as hub:
        kannel = Kannel()
        async with kannel.serving():
            only(hub, kannel_of(hub, kannel))
            kannel.trouble = [Trouble.BUSY] * 4
            contract = await hub.invited()
            for _ in range(3):
                await hub.run_round(2 * MINUTE)
            assert kannel.accepted == []
            kannel.trouble = [Trouble.LOSE_REPLY]
            await hub.run_round(2 * MINUTE)
            assert len(kannel.accepted) == 1
            assert hub.clock() - (await hub.one(contract)).created_at > 2 * MINUTE
            await hub.run_round()
            await hub.run_round()
            assert len(kannel.accepted) == 1
            await hub.run_round(2 * MINUTE)
            assert len(kannel.accepted) == 2


async def test_who_lost_the_claim_cannot_say_that_nobody_was_called() -> None:
    async with routed() as hub:
        made = await written(hub)
        first, second = hub.clock(), hub.clock() + MINUTE
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.deliveries.claim(made.id, first, held=None)
            await tx.deliveries.write_call(replace(made, provider="one", state_at=first, called_at=first))
            assert await tx.deliveries.claim(made.id, second, held=first)
            await tx.deliveries.write_call(replace(made, provider="other", state_at=second, called_at=second))
            await tx.deliveries.note_not_taken(made.id, first)
        assert (await known(hub, made.id)).provider == "other"


@dataclass
class Witness:
    """Records the age of the claim under which it is called."""

    hub: Routed
    delivery: UUID
    rules: Rules = field(default_factory=Rules)
    claimed: list[timedelta] = field(default_factory=list)

    async def send(self, message: Message) -> Receipt:
        claimed = (await known(self.hub, self.delivery)).state_at
        assert claimed
        self.claimed.append(self.hub.clock() - claimed)
        return Receipt(Fate.ACCEPTED)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        return None


async def test_a_claim_that_took_long_to_commit_is_renewed_before_the_call() -> None:
    """Otherwise another worker would take the claim for expired while the call is still under way."""
    async with routed() as hub:
        made = await written(hub)
        witness = Witness(hub, made.id)
        only(hub, (ProviderSettings("witness", "sms_witness", "sms", rate=1000), witness))
        database, waits = hub.running.hub.database, [MINUTE]

        async def slow(_: int) -> None:
            hub.clock.advance(waits.pop() if waits else timedelta(0))

        with before_commits(database, slow):
            await hub.running.hub.services.messaging.router.send_delivery(made.id, fresh=True)
        assert witness.claimed == [timedelta(0)]


async def test_a_claim_that_runs_out_while_the_message_has_its_turn_is_renewed_until_that_is_quick() -> None:
    async with routed() as hub:
        first, made = await written(hub), await written(hub)
        witness, database, router = (
            Witness(hub, first.id),
            hub.running.hub.database,
            hub.running.hub.services.messaging.router,
        )
        only(hub, (ProviderSettings("witness", "sms_witness", "sms", rate=4, codes_share=0), witness))
        # The second message has to wait, then checks its provider's cooldown; that and a renewal take long.
        waits = [timedelta(0), HALF, HALF, timedelta(0)]

        async def slow(_: int) -> None:
            hub.clock.advance(waits.pop(0) if waits else timedelta(0))

        await router.send_delivery(first.id, fresh=True)
        witness.delivery, witness.claimed = made.id, []
        with before_commits(database, slow):
            await router.send_delivery(made.id, fresh=True)
        assert witness.claimed == [timedelta(0)]
        called_at = (await known(hub, made.id)).called_at
        assert called_at and called_at >= hub.clock()


async def test_a_receipt_that_is_faster_than_the_outcome_of_the_call_stays() -> None:
    async with routed() as hub:
        made, database = await written(hub), hub.running.hub.database
        only(hub, (ProviderSettings("witness", "sms_witness", "sms", rate=1000), Witness(hub, made.id)))
        waiting = [StateReport(DeliveryState.DELIVERED), None]  # before the outcome, and before the claim

        async def faster(_: int) -> None:
            if waiting and (report := waiting.pop()):
                async with database.transaction(EVERYTHING) as tx:
                    await tx.deliveries.report(made.id, report, tx.planning_now)

        with before_commits(database, faster):
            state = await hub.running.hub.services.messaging.router.send_delivery(made.id, fresh=True)
        assert waiting == []
        assert state is (await known(hub, made.id)).state is DeliveryState.DELIVERED


async def test_a_message_that_waited_is_not_missing_from_a_list_that_lags_behind_its_call() -> None:
    """Aliyun lists a message half a minute after it accepted it, however long ago the attempt was written."""
    async with routed() as hub:
        aliyun = Aliyun()
        async with aliyun.serving():
            aliyun.clock, aliyun.listed_after = hub.clock, timedelta(seconds=25)
            place = ChannelContext(
                "aliyun", f"{hub.running.origin}/callbacks/aliyun", hub.running.http, Ledger([]), hub.clock
            )
            channel = sms_aliyun.connect({**aliyun.options(), "listed_after": 30}, place)
            only(hub, (ProviderSettings("aliyun", "sms_aliyun", "sms", rate=1000), channel))
            contract = await hub.issue(phone="+8613800000101")
            await committed(hub)
            aliyun.trouble = [Trouble.GATEWAY_ERROR]
            await hub.run_round(2 * MINUTE)
            assert (await hub.one(contract)).state is DeliveryState.UNKNOWN
            for _ in range(4):
                await hub.run_round(timedelta(seconds=21))
            assert len(aliyun.accepted) == 1
            assert (await hub.one(contract)).state is DeliveryState.SENT


# ---- messages that do not hold up others


async def test_messages_that_cannot_be_written_do_not_hold_up_the_others() -> None:
    async with routed() as hub:
        for _ in range(51):
            await written(hub, "Nobody knows {this}")
        hub.clock.advance(timedelta(seconds=1))
        good = await written(hub)
        with capture_logs():
            await hub.run_round()
            await hub.run_round(timedelta(seconds=5))
        assert (await known(hub, good.id)).state is DeliveryState.SENT


async def test_a_code_does_not_wait_behind_other_messages_and_all_have_their_turn() -> None:
    async with routed() as hub:
        for _ in range(60):
            await written(hub)
        hub.clock.advance(timedelta(seconds=1))
        code = await written(hub, purpose="code")
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            first, *_ = await tx.deliveries.list_unsettled(hub.clock() + MINUTE)
        assert first.id == code.id
        await hub.run_round()
        assert len(hub.twilio.accepted) == 61  # not fifty now and the rest five seconds later


async def test_a_look_that_fails_does_not_hold_up_the_others() -> None:
    async with routed() as hub:
        with_more(hub, "voice")
        first = await hub.invited(channels=("sms", "voice"))
        hub.clock.advance(timedelta(seconds=1))
        second = await hub.invited(channels=("sms", "voice"), phone="+12025550177")
        wrong = "UPDATE delivery SET purpose = 'unheard-of' WHERE contract = $1"
        await tamper(hub.running.hub.database.dsn, wrong, first.id)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("UPDATE delivery SET state = 'refused', check_at = state_at"))
        await hub.run_round()
        assert [name for name, *_ in await get_channels(hub, second)] == ["sms", "voice"]
        assert (await hub.one(first)).check_at == hub.clock() + MINUTE  # the first of several tries, ever later


async def test_a_call_that_cannot_be_worked_on_does_not_hold_up_the_others() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        spoilt = [await hub.told("sms_twilio", _nothing()) for _ in range(51)]
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            for spoiled in spoilt:
                await tx.connection.execute(
                    text("UPDATE callback SET call_sealed = 'spoiled' WHERE id = :id"), {"id": spoiled}
                )
        hub.clock.advance(timedelta(seconds=1))
        assert await hub.twilio.call_back(hub.twilio.accepted[0].reference, "delivered") == 204
        with capture_logs():
            await hub.run_round()
        assert (await hub.one(contract)).state is DeliveryState.DELIVERED
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.callbacks.list_due(tx.now) == []
            assert len(await tx.callbacks.list_due(tx.now + 10 * MINUTE, 100)) == 51  # nothing is lost


def _nothing() -> CallbackContent:
    return CallbackContent(reports=(ReceiptReport(Receipt(Fate.ACCEPTED, "x")),))


class Unhurried:
    """A provider whose calls are not signed. It answers questions only when several are asked at once."""

    rules = Rules(receipts=True, queryable=True)

    def __init__(self, together: int) -> None:
        self._barrier = asyncio.Barrier(together)

    async def send(self, message: Message) -> Receipt:
        return Receipt(Fate.ACCEPTED, message.key)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        await self._barrier.wait()
        return Receipt(Fate.DELIVERED, message.key)


async def test_a_provider_that_answers_slowly_is_asked_about_many_reports_at_once() -> None:
    async with routed() as hub:
        slow = Unhurried(6)
        only(hub, (ProviderSettings("slow", "sms_slow", "sms", rate=1000), slow))
        made = [await written(hub) for _ in range(6)]
        await hub.run_round()
        for each in made:
            await hub.told(
                "slow", CallbackContent(reports=(ReceiptReport(Receipt(Fate.DELIVERED, each.key), each.key),))
            )
        await hub.run_round()
        assert {(await known(hub, each.id)).state for each in made} == {DeliveryState.DELIVERED}


# ---- what happened meanwhile


async def test_what_was_put_off_is_nobodys_fresh_message() -> None:
    async with routed() as hub:
        made = await written(hub)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.deliveries.put_off(made.id, hub.clock() + timedelta(hours=10))
        for fresh in (True, False):
            await hub.running.hub.services.messaging.router.send_delivery(made.id, fresh=fresh)
        assert hub.twilio.accepted == []


async def test_a_message_whose_job_waited_for_hours_is_looked_at_before_it_leaves() -> None:
    async with routed() as hub:
        contract = await hub.issue()
        delivery = await committed(hub)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            await tx.tasks.end(task.id, TaskState.SIGNED, tx.now)
        hub.clock.advance(timedelta(hours=2))
        await hub.running.hub.services.messaging.router.send_delivery(delivery, fresh=True)
        assert (await known(hub, delivery)).failure == "signed-meanwhile" and hub.twilio.accepted == []


async def test_a_number_that_says_stop_while_its_message_waits_hears_by_another_way() -> None:
    async with routed() as hub:
        (email,) = with_more(hub, "email")
        contract = await hub.issue(channels=("sms", "email"))
        await committed(hub)
        assert await hub.twilio.write(PHONE, "STOP", f"{hub.place.callbacks}/inbound") == 200
        await hub.heard()
        await hub.run_round()
        assert [each.text for each in hub.twilio.accepted if "/s/" in each.text.lower()] == []
        assert await get_channels(hub, contract) == [("sms", "refused", 0), ("email", "delivered", 1)]
        assert len(email.texts) == 1


async def test_somebody_who_says_that_they_are_not_meant_gets_no_message_that_waited() -> None:
    async with routed() as hub:
        contract = await hub.issue()
        delivery = await committed(hub)
        landed = await open_ticket(hub.running.hub.services, await hub.running.ticket(contract, DoorKind.COPY))
        await ask(hub.running.hub.services, landed.secret, "not-me", "")
        await hub.run_round()
        assert (await known(hub, delivery)).failure == "paused" and hub.twilio.accepted == []


# ---- the ladder


async def test_a_code_that_no_provider_takes_is_read_by_a_voice() -> None:
    async with routed(trouble=[Trouble.ACCOUNT]) as hub:
        (voice,) = with_more(hub, "voice")
        contract = await hub.issue(send="none")
        landed = await open_ticket(hub.running.hub.services, await hub.running.ticket(contract, DoorKind.COPY))
        await send_code(hub.running.hub.services, landed.secret)
        await hub.run_round()
        assert voice.texts == []
        await hub.run_round(MINUTE)
        assert [each.purpose for each in voice.texts] == ["code"]
        assert (await get_channels(hub, contract))[0][:2] == ("sms", "withdrawn")
        await hub.run_round(12 * MINUTE)
        assert hub.twilio.accepted == []


async def test_a_country_that_is_not_allowed_is_no_way() -> None:
    async with routed() as hub:
        limited(hub, BudgetLimits(countries=("+86",)))
        (email,) = with_more(hub, "email")
        contract = await hub.invited(channels=("sms", "email"))
        assert (len(hub.twilio.accepted), len(email.texts)) == (0, 1)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.connection.execute(text("UPDATE delivery SET state = 'refused', check_at = state_at"))
        await hub.run_round()
        assert await hub.staff_tasks(contract) == ["unreached"]
