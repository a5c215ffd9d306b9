"""The channel router: which way to the person, and what became of the message.

No provider offers an idempotent send. So there is an attempt row first (`sending`, committed by whoever decided to
send), then
the call, then its fate. A lost reply is `unknown`, and whoever finds `sending` or `unknown` later asks before sending
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from channels import CannotAsk, Channel, Doorway, Fate, Message, NotNow, Receipt, Refused, ReplyLost
from hub.errors import Unavailable
from hub.model.delivery import Delivery, DeliveryState
from hub.model.link import DoorKind, short_code
from hub.model.session import code_for
from hub.model.signer import Signer, TaskState
from hub.model.staff import EVERYTHING
from hub.store.unit import Database, Unit

PROVIDER_SECONDS = 10.0
"""No provider call takes longer. The leases of workers are longer than this."""
CALL_LEASE = timedelta(seconds=PROVIDER_SECONDS + 2)
"""An attempt that was touched so long ago is in nobody's hands any more."""

_FATES = {
    Fate.ACCEPTED: DeliveryState.SENT,
    Fate.DELIVERED: DeliveryState.DELIVERED,
    Fate.UNDELIVERED: DeliveryState.UNDELIVERED,
}
log = structlog.get_logger()


class Router:
    """`channels` maps what a signer's ladder names (`sms`, `voice`, `email`) to what is configured for it."""

    def __init__(self, database: Database, channels: Mapping[str, Channel], origin: str) -> None:
        self._database = database
        self._channels = channels
        self.origin = origin.rstrip("/")

    @property
    def configured(self) -> list[str]:
        return sorted(self._channels)

    def channel_for(self, signer: Signer) -> str | None:
        """The first rung of the signer's ladder that exists here; None: no message can reach this person."""
        return next((name for name in signer.channels if name in self._channels and self.address(signer, name)), None)

    @staticmethod
    def address(signer: Signer, channel: str) -> str | None:
        return signer.email if channel == "email" else signer.phone

    def doorway(self, ticket: str) -> Doorway:
        """URLs are built from the configured public origin, never from a request."""
        return Doorway(f"{self.origin}/s/{ticket}", f"{self.origin}/S/{ticket}".upper(), ticket, short_code(ticket))

    async def text_of(self, unit: Unit, delivery: Delivery) -> str:
        """The text as the person reads it: link and code are put in now, and rest nowhere."""
        text = delivery.text
        if delivery.link and (link := await unit.links.get(delivery.link)):
            text = text.replace("{link}", self.doorway(unit.links.ticket(link)).url)
        if delivery.code:
            text = text.replace("{code}", code_for(self._database.keys.code, delivery.code))
        return text

    async def carry(
        self, delivery_id: UUID, *, fresh: bool, idle_since: datetime | None = None
    ) -> DeliveryState | None:
        """Bring a committed attempt to its provider. `fresh`: nobody can have called the provider for it before.

        One that is in somebody else's hands is left to them; those who touched it before `idle_since` (by default: so
        long ago that no call can still be under way) are taken for dead. Returns the state as far as it is known.
        Raises Unavailable when the provider did not take it now, or could not be asked: call again later.
        """
        async with self._database.unit(EVERYTHING) as unit:
            delivery = await unit.deliveries.get(delivery_id)
            if delivery is None or delivery.state not in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
                return delivery.state if delivery else None
            at = await unit.planning_now()
            before = None if fresh else idle_since or at - CALL_LEASE
            if not await unit.deliveries.claim(delivery.id, at, before=before):
                return delivery.state
            delivery = replace(delivery, state_at=at)
            message = await self._message(unit, delivery)
        return await self._send(delivery, message) if fresh else await self._ask_first(delivery, message)

    async def _ask_first(self, delivery: Delivery, message: Message) -> DeliveryState:
        if receipt := await self._asked(delivery):
            return await self._report_receipt(delivery, receipt)
        async with self._database.unit(EVERYTHING) as unit:
            obsolete = await self._obsolete(unit, delivery)
            # Asking took its time: the call that follows needs a claim that lasts as long as it does.
            if not await unit.deliveries.claim(
                delivery.id, await unit.planning_now(), before=None, held=delivery.state_at
            ):
                return delivery.state
        if obsolete:
            return await self._report(delivery, DeliveryState.WITHDRAWN, failure=obsolete)
        return await self._send(delivery, message)

    async def _message(self, unit: Unit, delivery: Delivery) -> Message:
        text = await self.text_of(unit, delivery)
        return Message(
            delivery.key, delivery.to, delivery.purpose, delivery.language, text, delivery.purpose, delivery.variables
        )

    async def _obsolete(self, unit: Unit, delivery: Delivery) -> str | None:
        """Why a message that did not get out before should not go out any more."""
        if delivery.code and not await unit.sessions.code_is_live(delivery.code, unit.now):
            return "the code is no longer valid"
        if delivery.task and delivery.purpose in ("invitation", "reminder", "last-call", "your-turn"):
            task = await unit.tasks.get(delivery.task)
            if task.state is not TaskState.OPEN:
                return "signed-meanwhile" if task.state is TaskState.SIGNED else "closed"
        return None

    def _channel(self, delivery: Delivery) -> Channel:
        if delivery.channel not in self._channels:
            raise Unavailable(f"the channel {delivery.channel} is not configured any more")
        return self._channels[delivery.channel]

    async def _asked(self, delivery: Delivery) -> Receipt | None:
        channel = self._channel(delivery)
        try:
            return await asyncio.wait_for(channel.find(delivery.key), PROVIDER_SECONDS)
        except (CannotAsk, TimeoutError) as error:
            raise Unavailable(f"the provider of {delivery.channel} gives no answer") from error

    async def _send(self, delivery: Delivery, message: Message) -> DeliveryState:
        channel = self._channel(delivery)
        try:
            receipt = await asyncio.wait_for(channel.send(message), PROVIDER_SECONDS)
        except Refused as error:
            return await self._report(delivery, DeliveryState.REFUSED, failure=str(error))
        except (ReplyLost, TimeoutError) as error:
            return await self._report(delivery, DeliveryState.UNKNOWN, failure=str(error) or "no reply in time")
        except NotNow as error:
            raise Unavailable(f"the provider of {delivery.channel} is busy") from error
        return await self._report_receipt(delivery, receipt)

    async def _report_receipt(self, delivery: Delivery, receipt: Receipt) -> DeliveryState:
        return await self._report(delivery, _FATES[receipt.fate], reference=receipt.reference)

    async def _report(
        self, delivery: Delivery, state: DeliveryState, *, reference: str | None = None, failure: str | None = None
    ) -> DeliveryState:
        async with self._database.unit(EVERYTHING) as unit:
            at = await unit.planning_now()
            after = await unit.deliveries.report(delivery.id, state, at, reference=reference, failure=failure)
        log.info("delivery", id=str(delivery.id), channel=delivery.channel, purpose=delivery.purpose, state=after.value)
        return after

    async def settle(self, before: datetime) -> int:
        """Ask about every message whose fate is open since `before`; returns how many there were."""
        async with self._database.unit(EVERYTHING) as unit:
            open_ones = await unit.deliveries.unsettled(before)
        for delivery in open_ones:
            try:
                await self.carry(delivery.id, fresh=False, idle_since=before)
            except Unavailable as error:
                log.warning("delivery not settled", id=str(delivery.id), reason=str(error))
            except Exception:
                log.exception("delivery not settled", id=str(delivery.id))  # the others are not to wait for it
        return len(open_ones)


def door_of_channel(channel: str) -> DoorKind:
    """A link inside a message is a door of that channel's name."""
    return DoorKind(channel)


__all__ = ["PROVIDER_SECONDS", "Router", "door_of_channel"]
