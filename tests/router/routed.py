"""A hub that sends SMS through the double of Twilio, with the pages that the double calls. The test takes every
step."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from channels import CallbackContent, Channel, ChannelContext, sms_twilio
from hub.lifecycle.contract.new_contract import NewSigner
from hub.lifecycle.inbound.process_callbacks import process_callback
from hub.lifecycle.messaging.fallback import fall_back
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.provider import ProviderSettings
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider, ProviderSet
from hub.store.inbound.callback_writer import StoredCallback
from tests.channels.doubles.outbox import Ledger
from tests.channels.doubles.sms_twilio import Double
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import StandingClock
from tests.running import Running, until

# Twilio carries no links to +86, so the guardian has an American number.
PHONE = "+12025550101"
RATE = 1000.0
LATER = timedelta(seconds=30)


@dataclass
class Routed:
    running: Running
    twilio: Double
    clock: StandingClock
    place: ChannelContext

    def providers(self, *more: tuple[ProviderSettings, Channel], rate: float = RATE) -> None:
        """Use Twilio, and other providers that a test wants, instead of the configured ones."""
        channel = sms_twilio.connect(self.twilio.options(), self.place)
        first = (ProviderSettings(self.place.name, "sms_twilio", "sms", rate=rate), channel)
        self.running.hub.services.messaging.router.providers = ProviderSet(
            [Provider(provider, each) for provider, each in (first, *more)], random.Random(1).random
        )

    async def issue(
        self,
        *,
        channels: tuple[str, ...] = ("sms",),
        phone: str = PHONE,
        others: tuple[NewSigner, ...] = (),
        **changes: Any,
    ) -> Contract:
        """Issue a contract of a minor. A guardian with another phone number is another person."""
        guardian = NewSigner(
            Role.GUARDIAN,
            "陈建国",
            phone,
            f"E{phone[-8:]}",
            "passport",
            relation="父亲",
            channels=channels,
            email="parent@example.org",
        )
        return await self.running.issue_minor(signers=(guardian, *others), **changes)

    async def invited(self, **changes: Any) -> Contract:
        """Issue a contract, and pass its invitation to the provider."""
        contract = await self.issue(**changes)
        await self.sweep()
        return contract

    async def sweep(self) -> None:
        """Take all steps that are due now."""
        while await self.running.worker.due_steps.sweep():
            pass

    async def run_round(self, later: timedelta = LATER) -> None:
        self.clock.advance(later)
        await self.running.worker.periodic.run_round()

    async def deliveries(self, contract: Contract) -> list[Delivery]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return await tx.deliveries.list_of_contract(contract.id)

    async def one(self, contract: Contract) -> Delivery:
        (delivery,) = await self.deliveries(contract)
        return delivery

    async def heard(self) -> None:
        """Process stored callbacks as a worker would, also those that wait for later, until none is left."""

        async def nothing_left() -> bool:
            while await self.running.worker.callbacks.process_callbacks():
                pass
            async with self.running.hub.database.transaction(EVERYTHING) as tx:
                waiting = await tx.callbacks.list_due(tx.now + timedelta(days=1))
            for callback in waiting:
                await process_callback(self.running.hub.services, callback)
            return not waiting

        await until(nothing_left)

    async def told(self, provider: str, heard: CallbackContent) -> UUID:
        """Store a callback as it is stored once it is verified. Return its id."""
        database = self.running.hub.database
        await database.know_sealing_key()
        told = StoredCallback.encrypted(database.cipher, provider, heard, database.clock())
        await database.callback_writer.store([told])
        return told.id

    async def reroute(self, delivery: Delivery) -> UUID | None:
        following = await fall_back(self.running.hub.services, delivery.id)
        if following:
            await self.running.hub.services.messaging.router.send_delivery(following, fresh=True)
        return following

    async def staff_tasks(self, contract: Contract) -> list[str]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [task.kind for task in await tx.staff_tasks.list_open_tasks(contract.id)]


@contextlib.asynccontextmanager
async def routed(clock: StandingClock | None = None, **twilio: Any) -> AsyncIterator[Routed]:
    standing = clock or StandingClock()
    double = Double(now=standing, **twilio)
    async with lent_hub(standing, with_worker=False) as running, double.serving():
        place = ChannelContext(
            "sms_twilio", f"{running.origin}/callbacks/sms_twilio", running.http, Ledger([]), standing
        )
        made = Routed(running, double, standing, place)
        made.providers()
        yield made


async def written(hub: Routed, words: str = "Words", purpose: str = "help", channel: str = "sms") -> Delivery:
    """Write a delivery whose provider nobody has called yet."""
    made = Delivery(
        uuid4(),
        f"key-{uuid4()}",
        purpose,
        channel,
        PHONE,
        words,
        DeliveryState.SENDING,
        hub.clock(),
        {"school": "x", "campus": "y"},
        shape="full",
    )
    async with hub.running.hub.database.transaction(EVERYTHING) as tx:
        assert await tx.deliveries.add(made)
    return made
