"""The channel router: which way to the person, and what became of the message.

No provider offers an idempotent send. So there is an attempt row first (`sending`, committed by whoever decided to
send); then who is called, and in which words, is committed as well; then comes the call, then its fate. A lost reply is
`unknown`, and whoever finds `sending` or `unknown` later asks that provider before anybody is called again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from channels import (
    CALL_TIMEOUT,
    CannotAsk,
    Doorway,
    Failure,
    Fate,
    MessageRefused,
    NotNow,
    Receipt,
    ReceiptReport,
    ReplyLost,
    Shape,
)
from hub.errors import Unavailable
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import BEGUN_WITHIN, Delivery, DeliveryState, StateReport
from hub.model.messaging.message import ANSWERS, Purpose
from hub.model.reminders.may_send import Drop, Wait
from hub.model.reminders.policy import ReminderPolicy
from hub.model.signing.link import DoorKind, SignLink
from hub.model.staff.accounts import EVERYTHING
from hub.router.circuit_breaker import Healths, arrived
from hub.router.providers import Begun, Booked, Carrier, Carriers, address_of
from hub.router.receipts import dropped_report, report_of
from hub.router.recheck import as_it_is_now, recheck
from hub.router.reconcile import BUSY_PAUSES, MAX_BATCHES, settle
from hub.router.rendering import Wording
from hub.router.reports import Reports
from hub.store.transaction import Database, Transaction

PROVIDER_TIMEOUT = CALL_TIMEOUT
# An attempt that was touched so long ago is in nobody's hands any more. The leases of workers are longer than this.
CALL_LEASE = timedelta(seconds=CALL_TIMEOUT) + BEGUN_WITHIN
# A provider that cannot be asked may still report by itself: so long a lost message waits for that.
RECEIPT_FIRST = timedelta(minutes=2)
# Where nobody can be asked, a message whose fate is unknown is sent once more, and never again.
MAX_UNKNOWN_CALLS = 2

log = structlog.get_logger()


class Router:
    """`carriers` are the configured providers; which of them carries a message is decided anew for each."""

    def __init__(self, database: Database, carriers: Carriers, wording: Wording, policy: ReminderPolicy) -> None:
        self._database = database
        self.carriers = carriers
        self.wording = wording
        self._policy = policy
        self._healths = Healths(database)
        self._reports = Reports(database, self.note)

    @property
    def origin(self) -> str:
        return self.wording.origin

    @property
    def configured(self) -> list[str]:
        return sorted(self.carriers.channels)

    def doorway(self, ticket: str) -> Doorway:
        """URLs are built from the configured public origin, never from a request."""
        return self.wording.doorway(ticket)

    # ---- which way

    async def ladder(self, tx: Transaction, signer: Signer, purpose: str, first: Sequence[str] = ()) -> list[str]:
        """The channels by which this message may reach the signer, the first one first. `first`: those that the
        reminder policy puts before what the signer wished for.

        A code goes to the phone on file, as a text or read by a voice, and to a mailbox only where no channel leads to
        a phone. A channel that the number does not want is left out.
        """
        is_asked = purpose != Purpose.CODE and purpose not in ANSWERS
        unwanted = await tx.opt_outs.channels(signer.phone) if is_asked else frozenset[str]()
        return self.carriers.ladder(signer, purpose, first, unwanted)

    @staticmethod
    def address(signer: Signer, channel: str) -> str | None:
        return address_of(signer, channel)

    def shape_of(self, channel: str, to: str) -> Shape | None:
        """The SMS shape that the likeliest provider carries; whoever is called in the end may need another one."""
        able = self.carriers.of(channel, to)
        return able[0].channel.rules.shapes_for(to)[0] if able and channel == "sms" else None

    # ---- on its way

    async def text_of(self, tx: Transaction, delivery: Delivery) -> str:
        """The text as the person reads it: link and code are put in now, and rest nowhere."""
        return (await self.wording.message(tx, delivery)).text

    async def begin(
        self, tx: Transaction, written: Sequence[tuple[Delivery, SignLink | None]]
    ) -> list[tuple[Delivery, Begun | None]]:
        """Say who is called for messages that this transaction is about to store, so that nobody can have touched them.

        Returns each as it is to be stored, and its call. None: it has to wait.
        """
        deliveries = [delivery for delivery, _ in written]
        booked = await self.carriers.book_many(tx, deliveries, self.carriers.names)
        return [
            self._called(tx, delivery, link, turn) if turn else await self._waiting(tx, delivery)
            for (delivery, link), turn in zip(written, booked, strict=True)
        ]

    def _called(
        self, tx: Transaction, delivery: Delivery, link: SignLink | None, booked: Booked
    ) -> tuple[Delivery, Begun]:
        said = self._said_by(booked.carrier, replace(delivery, state_at=tx.planning_now, not_before=None))
        latest = tx.now + BEGUN_WITHIN
        stored = replace(said, provider=booked.carrier.name, called_at=latest, calls=said.calls + 1)
        return stored, Begun(said, booked, self.wording.filled(said, link), tx.now)

    async def _waiting(self, tx: Transaction, delivery: Delivery) -> tuple[Delivery, None]:
        pause = await self._pause(tx, delivery)
        return replace(delivery, not_before=tx.planning_now + pause, state_at=None), None

    async def finish(self, call: Begun) -> DeliveryState:
        """Make a call that is committed. Raises Unavailable as `carry` does."""
        return await self._make(call)

    async def carry(
        self, delivery_id: UUID, *, fresh: bool, idle_since: datetime | None = None, job: int | None = None
    ) -> DeliveryState | None:
        """Bring a committed attempt to a provider. `fresh`: nobody can have touched it before. `job`: the queue's job
        that asks for it, whose start is counted; only its first start is fresh.

        One that is in somebody else's hands is left to them; those who touched it before `idle_since` (by default: so
        long ago that no call can still be under way) are taken for dead. Returns the state as far as it is known.
        Raises Unavailable when no provider took it now, or the one that may have it could not be asked: it is taken
        up again by itself. Raises StartedTooOften.
        """
        async with self._database.transaction(EVERYTHING) as tx:
            if job is not None:
                fresh = await tx.jobs.count_start(job) == 1 and fresh
            delivery = await tx.deliveries.get(delivery_id)
            if delivery is None or delivery.state not in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
                return delivery.state if delivery else None
            if self.carriers.left_to_others(delivery.provider, delivery.called_at or delivery.created_at, tx.now):
                return delivery.state
            at, touched = tx.planning_now, delivery.state_at
            before = None if fresh else idle_since or at - CALL_LEASE
            if not await tx.deliveries.claim(delivery.id, at, before=before):
                return delivery.state
            delivery = replace(delivery, state_at=at)
            # A job can have waited long for a worker, and much can have happened since it was written.
            fresh = fresh and at - delivery.created_at < CALL_LEASE
            call = None if delivery.provider else await self._next_call(tx, delivery, fresh=fresh)
        if delivery.provider:
            call = await self._ask_first(delivery, touched)
        return await self._make(call) if isinstance(call, Begun) else call

    async def _ask_first(self, delivery: Delivery, touched: datetime | None) -> Begun | DeliveryState:
        """Somebody was called before. Only a provider that certainly does not have it makes a second call right.

        `touched`: when it was in somebody's hands last; None: it was put off since.
        """
        carrier = self.carriers.get(delivery.provider)
        if carrier is None:  # only after a long time: it is not configured any more, and nobody can ask it
            return await self._left_to_ladder(delivery)
        async with self._database.transaction(EVERYTHING) as tx:
            message = await self.wording.message(tx, delivery)
        try:
            reference = delivery.provider_reference or ""
            receipt = await asyncio.wait_for(carrier.channel.find(message, reference), CALL_TIMEOUT)
        except (CannotAsk, TimeoutError) as error:
            if carrier.channel.rules.queryable:
                raise Unavailable(f"the provider {carrier.name} gives no answer") from error
            return await self._never_answered(delivery, carrier, touched)
        if receipt:
            return await self._report(delivery.id, carrier, receipt)
        return await self._once_more(delivery)

    async def _never_answered(
        self, delivery: Delivery, carrier: Carrier, touched: datetime | None
    ) -> Begun | DeliveryState:
        """This provider cannot be asked. It may still report; then there is one more call, and then the next way."""
        async with self._database.transaction(EVERYTHING) as tx:
            if carrier.channel.rules.receipts and touched and tx.planning_now - touched < RECEIPT_FIRST:
                await tx.deliveries.put_off(delivery.id, touched + RECEIPT_FIRST)
                return delivery.state
        if delivery.calls >= MAX_UNKNOWN_CALLS:
            return await self._left_to_ladder(delivery)
        return await self._once_more(delivery)

    async def _left_to_ladder(self, delivery: Delivery) -> DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.deliveries.leave_to_ladder(delivery.id, tx.planning_now)
        return delivery.state

    async def _once_more(self, delivery: Delivery) -> Begun | DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            # Asking took its time: the call that follows needs a claim that lasts as long as it does.
            at = tx.planning_now
            if not await tx.deliveries.claim(delivery.id, at, before=None, held=delivery.state_at):
                return delivery.state
            return await self._next_call(tx, replace(delivery, state_at=at), fresh=False)

    async def _next_call(
        self, tx: Transaction, delivery: Delivery, *, fresh: bool, tried: Collection[str] = ()
    ) -> Begun | DeliveryState:
        """Commit who is to be called, in which words. What waited may have become pointless, or it is night."""
        if not fresh:
            match await recheck(tx, delivery, self._policy):
                case Drop(reason):
                    return await tx.deliveries.report(delivery.id, dropped_report(reason), tx.planning_now)
                case Wait(until):
                    await tx.deliveries.put_off(delivery.id, until)
                    return delivery.state
            delivery = await as_it_is_now(tx, delivery, self.wording)
        booked = await self.carriers.book(tx, delivery, tried)
        if booked is None:
            await tx.deliveries.put_off(delivery.id, tx.planning_now + await self._pause(tx, delivery))
            return delivery.state
        delivery = self._said_by(booked.carrier, delivery)
        latest = tx.now + BEGUN_WITHIN
        await tx.deliveries.called(delivery.id, booked.carrier.name, delivery.shape, delivery.text, latest)
        return Begun(delivery, booked, await self.wording.message(tx, delivery), tx.now)

    def _said_by(self, carrier: Carrier, delivery: Delivery) -> Delivery:
        """The delivery in the words that this provider carries."""
        rules = carrier.channel.rules
        # A text that lies at the provider has one shape.
        shapes = rules.shapes_for(delivery.to)[: 1 if rules.fixed_texts else None]
        if delivery.channel != "sms" or delivery.shape in shapes:
            return delivery
        text = self.wording.kept(delivery.purpose, delivery.channel, delivery.language, shapes[0], delivery.variables)
        return replace(delivery, shape=shapes[0].value, text=text)

    async def _pause(self, tx: Transaction, delivery: Delivery) -> timedelta:
        """How long a message waits that no provider has room for."""
        waited = tx.planning_now - (delivery.planned_at or delivery.created_at)
        pause = next((pause for pause in BUSY_PAUSES if pause * 4 > waited), BUSY_PAUSES[-1])
        return max(pause, await self.carriers.rest(tx, delivery))

    async def _make(self, call: Begun) -> DeliveryState:
        """The call itself, and the next provider's if this one certainly did not take it."""
        following: Begun | DeliveryState = call
        tried: list[str] = []
        while isinstance(following, Begun):
            call = following
            tried.append(call.carrier.name)
            try:
                await self._healths.turn(call.booked)
                held = await self._held(call)
                if held is None:
                    return call.delivery.state  # it took too long, and somebody else has it now
                call = held
                receipt = await asyncio.wait_for(call.carrier.channel.send(call.message), CALL_TIMEOUT)
            except MessageRefused as error:
                if error.failure is Failure.CONTENT and self._others(call.delivery, tried):
                    await self._not_taken(call)  # it lacks this text; somebody else may have it
                    following = await self._another(call.delivery, tried)
                    continue
                receipt = Receipt(Fate.UNDELIVERED, "", error.failure, str(error))
                return await self._report(call.delivery.id, call.carrier, receipt, DeliveryState.REFUSED)
            except (ReplyLost, TimeoutError) as error:
                await self._healths.worse(call.carrier, str(error) or "no reply in time")
                return await self._unknown(call, str(error) or "no reply in time")
            except NotNow as error:
                await self._not_now(call, error)
                following = await self._another(call.delivery, tried)
            else:
                if call.booked.probe:
                    await self._healths.answered(call.carrier)
                return await self._report(call.delivery.id, call.carrier, receipt)
        if following is DeliveryState.SENDING:
            raise Unavailable(f"no provider of {call.delivery.channel} takes messages now")
        return following

    async def _held(self, call: Begun) -> Begun | None:
        """No call outlives its claim: where the database took long, the claim is renewed before anybody is called, as
        often as that takes long itself. By the same clock others see whether a claim has run out."""
        while self._database.clock() - call.claimed_at >= BEGUN_WITHIN:
            async with self._database.transaction(EVERYTHING) as tx:
                at = tx.planning_now
                assert call.delivery.state_at
                latest = tx.now + BEGUN_WITHIN
                if not await tx.deliveries.renew(call.delivery.id, at, call.delivery.state_at, latest):
                    return None
                call = replace(call, delivery=replace(call.delivery, state_at=at), claimed_at=tx.now)
        return call

    def _others(self, delivery: Delivery, tried: Collection[str]) -> list[Carrier]:
        able = self.carriers.of(delivery.channel, delivery.to, delivery.language)
        return [each for each in able if each.name not in tried]

    async def _not_taken(self, call: Begun) -> None:
        async with self._database.transaction(EVERYTHING) as tx:
            assert call.delivery.state_at
            await tx.deliveries.not_taken(call.delivery.id, call.delivery.state_at)

    async def _not_now(self, call: Begun, error: NotNow) -> None:
        await self._not_taken(call)
        await self._healths.not_now(call.carrier, error)

    async def _another(self, delivery: Delivery, tried: Collection[str]) -> Begun | DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            at = tx.planning_now
            if not await tx.deliveries.claim(delivery.id, at, before=None, held=delivery.state_at):
                return delivery.state
            return await self._next_call(tx, replace(delivery, state_at=at, provider=None), fresh=True, tried=tried)

    # ---- what became of it

    async def _unknown(self, call: Begun, failure: str) -> DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            unknown = StateReport(DeliveryState.UNKNOWN, failure=failure)
            after = await tx.deliveries.report(call.delivery.id, unknown, tx.planning_now)
        self._tell(call.delivery, after)
        return after

    async def _report(
        self, delivery: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        return await self._reports.add(delivery, carrier, receipt, state)

    async def note(
        self, tx: Transaction, delivery_id: UUID, carrier: Carrier, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        """Join a receipt to what is known, in this transaction; what it says about the number is remembered too."""
        report = report_of(receipt, state, receipts=carrier.channel.rules.receipts)
        after = await tx.deliveries.report(delivery_id, report, tx.planning_now)
        delivery = await tx.deliveries.get(delivery_id)
        assert delivery
        if receipt.failure is Failure.OPTED_OUT:
            await tx.opt_outs.add(delivery.to, delivery.channel, tx.now, "provider")
        if receipt.failure is Failure.FILTERED:
            await self._healths.filtered(tx, carrier)
        if receipt.failure is Failure.ACCOUNT:
            await self._healths.account(tx, carrier, receipt.detail)
        if receipt.fate is Fate.DELIVERED:
            await arrived(tx, carrier, delivery.began_at)
        self._tell(delivery, after)
        return after

    async def slow(self, tx: Transaction, carrier: Carrier) -> None:
        """A receipt that should be here is not: this provider gets less for a while."""
        await self._healths.lower(tx, carrier, "no receipt in time")

    async def hear(self, tx: Transaction, carrier: Carrier, report: ReceiptReport) -> bool:
        """A receipt that came by itself. False: it speaks of no message that is known here (yet)."""
        delivery = await self.meant(tx, carrier, report)
        if delivery is None:
            return False
        await self.note(tx, delivery.id, carrier, report.receipt)
        return True

    async def meant(self, tx: Transaction, carrier: Carrier, report: ReceiptReport) -> Delivery | None:
        """Our own key proves that it is ours; a bare reference has to be one that this provider gave us. One that can
        be asked may name the number alone."""
        if report.key and (found := await tx.deliveries.by_key(report.key)):
            return found if found.provider == carrier.name else None
        rules = carrier.channel.rules
        asked = rules.queryable and not rules.signed  # what it answers counts, and not what somebody called to us
        return await tx.deliveries.reported_on(carrier.name, report.receipt.reference, report.to if asked else "")

    @staticmethod
    def _tell(delivery: Delivery, after: DeliveryState) -> None:
        log.info("delivery", id=str(delivery.id), channel=delivery.channel, purpose=delivery.purpose, state=after.value)

    async def settle(self, before: datetime) -> int:
        """Ask about messages whose fate is open since `before`; returns how many there were."""
        return await settle(self._database, self.carry, before, self.carriers.names)


def door_of_channel(channel: str) -> DoorKind:
    """A link inside a message is a door of that channel's name."""
    return DoorKind(channel)


__all__ = ["MAX_BATCHES", "PROVIDER_TIMEOUT", "Begun", "Router", "door_of_channel"]
