"""What happened between a message's attempt and its call, and whose word about its fate counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import text

from channels import CallbackContent, CannotAsk, Failure, Fate, Message, Receipt, ReceiptReport, Rules
from hub.model.messaging.delivery import DeliveryState, StateReport
from hub.model.messaging.provider import ProviderSettings
from hub.model.staff.scope import EVERYTHING
from tests.commits import before_commits
from tests.router.routed import PHONE, Routed, routed, written
from tests.router.test_waiting import Witness, committed, known, only
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

IS_WAITED_FOR = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"


async def test_a_number_that_opted_out_meanwhile_is_not_called_on() -> None:
    """It is refused before any provider is called: this provider would refuse by itself, but another would not."""
    async with routed() as hub:
        await hub.issue()
        delivery = await committed(hub)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            await tx.opt_outs.add(PHONE, "sms", tx.now, "inbound")
        await hub.run_round()
        found = await known(hub, delivery)
        assert (found.state, found.failure_kind) == (DeliveryState.REFUSED, Failure.OPTED_OUT.value)
        assert hub.twilio.requests == 0


async def test_a_message_to_a_number_that_has_changed_meanwhile_is_withdrawn() -> None:
    async with routed() as hub:
        contract = await hub.issue()
        delivery = await committed(hub)
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (signer,) = await tx.contracts.list_signers(contract.id)
            await tx.contracts.put_phone([signer.id], "+12025550199")
        await hub.run_round()
        found = await known(hub, delivery)
        assert (found.state, found.failure) == (DeliveryState.WITHDRAWN, "phone-changed")
        assert hub.twilio.requests == 0


@dataclass
class Provided:
    """A provider that accepts every message. `answer`: its receipt when it is asked about one."""

    rules: Rules
    answer: Receipt | None = None
    asked: list[str] = field(default_factory=list)

    async def send(self, message: Message) -> Receipt:
        return Receipt(Fate.ACCEPTED, message.key)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        self.asked.append(message.key)
        if self.answer is None:
            raise CannotAsk
        return self.answer


async def told(hub: Routed, provider: str, key: str, receipt: Receipt) -> None:
    await hub.told(provider, CallbackContent(reports=(ReceiptReport(receipt, key),)))
    await hub.heard()


@pytest.mark.parametrize("failure", [None, Failure.OPTED_OUT], ids=["noted with others", "noted alone"])
async def test_a_receipt_from_another_provider_than_the_one_called_counts_for_nothing(failure: Failure | None) -> None:
    async with routed() as hub:
        signed = Rules(receipts=True, signed=True)
        one, other = (
            ProviderSettings("one", "sms_one", "sms", rate=1000),
            ProviderSettings("other", "voice_other", "voice", rate=1000),
        )
        only(hub, (one, Provided(signed)), (other, Provided(signed)))
        made = await written(hub)
        await hub.run_round()
        undelivered = Receipt(Fate.UNDELIVERED, made.key, failure)
        await told(hub, "other", made.key, undelivered)
        assert (await known(hub, made.id)).state is DeliveryState.SENT
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.opt_outs.list_channels(PHONE) == frozenset()
        await told(hub, "one", made.key, undelivered)
        assert (await known(hub, made.id)).state is DeliveryState.UNDELIVERED


async def test_a_call_that_nobody_signed_is_believed_only_as_far_as_the_provider_itself_says_so() -> None:
    async with routed() as hub:
        unsigned = Provided(Rules(receipts=True, queryable=True))
        only(hub, (ProviderSettings("one", "sms_one", "sms", rate=1000), unsigned))
        made = await written(hub)
        await hub.run_round()
        for answer in (None, Receipt(Fate.ACCEPTED, made.key)):
            unsigned.answer = answer
            await told(hub, "one", made.key, Receipt(Fate.DELIVERED, made.key))
            assert (await known(hub, made.id)).state is DeliveryState.SENT
            hub.clock.advance(timedelta(seconds=1))
        unsigned.answer = Receipt(Fate.UNDELIVERED, made.key)
        await told(hub, "one", made.key, Receipt(Fate.DELIVERED, made.key))
        assert (await known(hub, made.id)).state is DeliveryState.UNDELIVERED
        assert made.key in unsigned.asked


async def test_a_receipt_for_whose_lock_the_outcome_waits_stays() -> None:
    async with routed() as hub:
        made, database = await written(hub), hub.running.hub.database
        only(hub, (ProviderSettings("witness", "sms_witness", "sms", rate=1000), Witness(hub, made.id)))
        begun, reporting = asyncio.Event(), list[asyncio.Task[None]]()

        async def report() -> None:
            async with database.transaction(EVERYTHING) as tx:
                await tx.deliveries.report(made.id, StateReport(DeliveryState.DELIVERED), tx.planning_now)
                await tx.connection.flush()
                begun.set()
                await until(lambda: tx.connection.scalar(text(IS_WAITED_FOR)))

        async def beside(number: int) -> None:
            if number == 2:  # the outcome, which comes after the claim
                reporting.append(asyncio.create_task(report()))
                await begun.wait()

        with before_commits(database, beside):
            state = await hub.running.hub.services.messaging.router.send_delivery(made.id, fresh=True)
        await asyncio.gather(*reporting)
        assert state is (await known(hub, made.id)).state is DeliveryState.DELIVERED
