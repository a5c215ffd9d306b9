"""Whoever completes a contract also begins the calls that tell its signers: no job, and nobody waits for a provider."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from channels import Fate, Message, Receipt, Rules
from hub.lifecycle.sealing.finalise import STEPS, advance
from hub.lifecycle.sealing.hub_step import choose_hub_step
from hub.model.contract.contract import ContractState
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.message import Purpose
from hub.model.sealing.finalise import FinaliseStep
from hub.model.staff.scope import EVERYTHING
from hub.router.router import CALL_LEASE
from hub.store.contract.cases import opening_lock
from tests.connected_providers import carried_by
from tests.lifecycle.clockwork import StandingClock, quiet_hub
from tests.lifecycle.signer import signed
from tests.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Slow:
    """A provider that keeps the news of a completed contract until `goes_on`, and can be asked."""

    rules: Rules = field(default_factory=lambda: Rules(receipts=False, queryable=True))
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    taken: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def send(self, message: Message) -> Receipt:
        self.taken.append(message.key)
        if message.purpose == Purpose.COMPLETED:
            await self.goes_on.wait()
        return Receipt(Fate.ACCEPTED, message.key)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        self.asked.append(message.key)
        return Receipt(Fate.ACCEPTED, message.key) if message.key in self.taken else None


async def signed_contract(running: Running) -> tuple[UUID, Slow]:
    """Have a contract signed. From then on, all messages go through a slow provider."""
    contract, slow = await running.issue_minor(), Slow()
    await signed(running, contract)
    running.hub.services.messaging.router.providers = carried_by(sms=slow)
    return contract.id, slow


async def news_about(running: Running, contract: UUID) -> Delivery:
    """Return the message that tells the signer of a completed contract."""
    async with running.hub.database.transaction(EVERYTHING) as tx:
        deliveries = await tx.deliveries.list_of_contract(contract)
    (news,) = [each for each in deliveries if each.purpose == Purpose.COMPLETED]
    return news


async def test_the_call_is_committed_with_the_completion_and_made_beside_the_package() -> None:
    async with quiet_hub() as running:
        contract, slow = await signed_contract(running)
        async with asyncio.timeout(60):  # it would wait for the provider
            assert await advance(running.hub.services, contract) is ContractState.COMPLETED
        news = await news_about(running, contract)
        assert (news.state, news.provider, news.calls) == (DeliveryState.SENDING, "sms", 1)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            assert await tx.packages.find_newest(contract)
            jobs = await tx.connection.scalars(text("SELECT dedupe_key FROM pgqueuer"))
        assert f"deliver-{news.id}" not in jobs
        slow.goes_on.set()
        await running.hub.services.messaging.router.open_calls.finish()
        assert (await news_about(running, contract)).state is DeliveryState.SENT
        assert slow.taken.count(news.key) == 1


async def test_a_process_that_dies_after_the_completion_leaves_the_call_to_whoever_reconciles() -> None:
    clock = StandingClock()
    async with quiet_hub(clock) as running:
        contract, slow = await signed_contract(running)
        services = running.hub.services
        async with services.database.transaction(EVERYTHING, opening_lock(contract)) as tx:
            hub_step = await choose_hub_step(services, tx, await tx.cases.lock(contract))
        while hub_step.kind is not FinaliseStep.PACKAGE:
            hub_step = await STEPS[hub_step.kind](services, hub_step)
        assert (await news_about(running, contract)).provider == "sms"
        slow.goes_on.set()
        clock.advance(CALL_LEASE - timedelta(seconds=1))
        await running.worker.periodic.reconcile()
        assert not slow.asked, "the process that has begun the call may be about to make it"
        clock.advance(timedelta(seconds=30))
        await running.worker.periodic.reconcile()
        news = await news_about(running, contract)
        assert news.state is DeliveryState.SENT
        assert slow.asked == [news.key] and slow.taken == [news.key]
