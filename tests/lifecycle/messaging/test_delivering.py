"""Messages on their way: a provider that loses replies, is busy, refuses or is silent, and workers that die."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from channels import CannotAsk, Fate, Message, MessageRefused, NotNow, Receipt, ReplyLost, Rules
from hub.errors import Unavailable
from hub.lifecycle.reminders.run_due import run_step
from hub.lifecycle.signing.entry.verify_identity import send_code
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.staff.scope import EVERYTHING
from tests.connected_providers import carried_by
from tests.database import tamper
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import person, signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

LATER = timedelta(seconds=21)


@dataclass
class ProviderSettings:
    """A provider with a memory of its own.

    `trouble`: exceptions for the next calls, one each: before the provider has accepted the message (`NotNow`,
    `MessageRefused`), after that (`ReplyLost`), or when it is asked about a message (`CannotAsk`).
    """

    trouble: list[Exception] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    asked: int = 0
    gate: asyncio.Event | None = None
    rules: Rules = field(default_factory=lambda: Rules(receipts=True, queryable=True))

    async def send(self, message: Message) -> Receipt:
        problem = self.trouble.pop(0) if self.trouble else None
        if isinstance(problem, NotNow | MessageRefused):
            raise problem
        if self.gate:
            await self.gate.wait()
        self.taken.append(message)
        if problem:
            raise problem
        return Receipt(Fate.ACCEPTED, f"ref-{len(self.taken)}")

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        self.asked += 1
        if self.trouble and isinstance(self.trouble[0], CannotAsk):
            raise self.trouble.pop(0)
        found = any(each.key == message.key for each in self.taken)
        return Receipt(Fate.DELIVERED, "found") if found else None


def served_by(running: Running, provider: ProviderSettings) -> None:
    running.hub.services.messaging.router.providers = carried_by(sms=provider)


async def committed_invitation(running: Running) -> UUID:
    """Write an attempt and commit it without calling the provider. Return the delivery's id."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (claimed,) = await tx.tasks.claim_due(tx.planning_now, timedelta(minutes=1), 5)
    delivery = await run_step(running.hub.services, claimed)
    assert delivery
    return delivery


async def look(running: Running, delivery: UUID) -> Delivery:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        found = await tx.deliveries.get(delivery)
    assert found
    return found


async def test_a_lost_reply_is_found_by_asking_and_never_sent_again() -> None:
    clock, provider = StandingClock(), ProviderSettings([ReplyLost("the line broke")])
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        await running.issue_minor()
        await running.worker.due_steps.sweep()
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (delivery,) = await tx.deliveries.list_unsettled(clock() + LATER)
        assert (delivery.state, delivery.failure) == (DeliveryState.UNKNOWN, "the line broke")
        clock.advance(LATER)
        await running.worker.periodic.run_round()
        assert (await look(running, delivery.id)).state is DeliveryState.DELIVERED
        assert (len(provider.taken), provider.asked) == (1, 1)


async def test_an_attempt_for_which_nobody_was_called_is_sent_without_asking() -> None:
    clock, provider = StandingClock(), ProviderSettings()
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        await running.issue_minor()
        delivery = await committed_invitation(running)  # and the worker dies before the call
        clock.advance(LATER)
        await running.worker.periodic.run_round()
        assert (await look(running, delivery)).state is DeliveryState.SENT
        assert (len(provider.taken), provider.asked) == (1, 0)


async def test_a_busy_provider_is_tried_again_and_a_refusal_is_final() -> None:
    clock, provider = (
        StandingClock(),
        ProviderSettings([NotNow("busy"), NotNow("busy"), MessageRefused("no such number")]),
    )
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        await running.issue_minor()
        delivery = await committed_invitation(running)
        with pytest.raises(Unavailable):
            await running.hub.services.messaging.router.send_delivery(delivery, fresh=True)
        for expected in (DeliveryState.SENDING, DeliveryState.REFUSED, DeliveryState.REFUSED):
            clock.advance(LATER)
            await running.worker.periodic.run_round()
            assert (await look(running, delivery)).state is expected
        assert (provider.taken, provider.trouble) == ([], [])
        assert (await look(running, delivery)).failure == "no such number"


async def counted(running: Running) -> Counter[str]:
    """Return how many messages there are in each state."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return Counter(await tx.connection.scalars(text("SELECT state FROM delivery")))


async def test_a_provider_that_cannot_be_asked_is_asked_again_before_anything_is_sent() -> None:
    clock, provider = StandingClock(), ProviderSettings([ReplyLost(""), CannotAsk("down")])
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        await running.issue_minor()
        await running.worker.due_steps.sweep()
        for expected in (DeliveryState.UNKNOWN, DeliveryState.DELIVERED):
            clock.advance(LATER)
            await running.worker.periodic.run_round()
            assert await counted(running) == {expected.value: 1}
        assert len(provider.taken) == 1


async def test_an_invitation_that_did_not_get_out_before_the_signature_is_withdrawn() -> None:
    clock, provider = StandingClock(), ProviderSettings()
    async with quiet_hub(clock) as running:
        contract = await running.issue_minor()
        delivery = await committed_invitation(running)
        async with running.hub.database.transaction(EVERYTHING) as tx:  # its worker hangs
            assert await tx.deliveries.claim(delivery, clock(), held=None)
        guardian = await person(running, contract)
        await guardian.land()
        await guardian.verify(await guardian.ask_code())
        await guardian.sign()
        served_by(running, provider)
        clock.advance(LATER)
        await running.worker.periodic.run_round()
        found = await look(running, delivery)
        assert (found.state, found.failure) == (DeliveryState.WITHDRAWN, "signed-meanwhile")
        assert provider.taken == []


async def test_a_code_that_another_one_replaced_is_not_sent_late() -> None:
    clock, provider = StandingClock(), ProviderSettings()
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        guardian = await person(running, await running.issue_minor(send="none"))
        await guardian.land()
        for _ in range(2):
            await send_code(running.hub.services, guardian.secret)
            clock.advance(timedelta(minutes=1))
        await running.worker.periodic.run_round()
        assert [message.purpose for message in provider.taken] == ["code"]
        assert await counted(running) == {"withdrawn": 1, "sent": 1}


async def test_workers_that_settle_at_the_same_moment_send_it_once() -> None:
    clock, provider = StandingClock(), ProviderSettings(gate=asyncio.Event())
    async with quiet_hub(clock) as running:
        served_by(running, provider)
        await running.issue_minor()
        await committed_invitation(running)
        clock.advance(LATER)
        settling = [asyncio.create_task(running.worker.periodic.run_round()) for _ in range(4)]
        done, _ = await asyncio.wait(settling, return_when=asyncio.FIRST_COMPLETED)
        assert done  # later workers leave the delivery to the first
        assert provider.gate
        provider.gate.set()
        await asyncio.gather(*settling)
        assert len(provider.taken) == 1


async def test_one_message_that_cannot_be_carried_does_not_hold_up_the_others() -> None:
    clock, provider = StandingClock(), ProviderSettings()
    async with quiet_hub(clock) as running:
        await running.issue_minor()
        stranded = await committed_invitation(running)
        await tamper(running.hub.database.dsn, "UPDATE delivery SET channel = 'pigeon'")
        await running.issue_minor()
        await committed_invitation(running)
        served_by(running, provider)
        clock.advance(LATER)
        await running.worker.periodic.run_round()
        assert len(provider.taken) == 1
        assert (await look(running, stranded)).state is DeliveryState.SENDING


async def test_texts_carry_link_and_code_only_when_they_leave() -> None:
    provider = ProviderSettings()
    async with quiet_hub() as running:
        contract = await running.issue_minor()
        await running.worker.due_steps.sweep()
        await signed(running, contract)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            stored = [delivery.text for delivery in await tx.deliveries.list_of_contract(contract.id)]
        served_by(running, provider)
        await running.issue_minor()
        await running.worker.due_steps.sweep()
        assert any("{link}" in text for text in stored) and any("{code}" in text for text in stored)
        assert f"{running.origin}/s/" in provider.taken[-1].text
        assert "{" not in provider.taken[-1].text
