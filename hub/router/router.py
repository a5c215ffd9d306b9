"""The channel router: choose channel and provider of a message, send it, and record the outcome.

No provider offers an idempotent send. So three things are committed one after another: the attempt (`sending`), by the
act that sends the message; the chosen provider and the final text; and, after the call, its outcome. If the reply is
lost, the attempt is `unknown`. Before an attempt that is `sending` or `unknown` is sent again, the provider is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from channels import (
    CALL_TIMEOUT,
    CannotAsk,
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
from hub.measures import begin_provider_series
from hub.model.messaging.delivery import CALL_START_TIMEOUT, Delivery, DeliveryState, StateReport
from hub.model.reminders.may_send import Drop, Wait
from hub.model.reminders.policy import ReminderPolicy
from hub.model.signing.link import SignLink
from hub.model.staff.scope import EVERYTHING
from hub.router.circuit_breaker import CircuitBreaker, record_arrival
from hub.router.held_messages import find_holder, hold_back
from hub.router.open_calls import OpenCalls
from hub.router.providers import BegunCall, BookedProvider, Provider, ProviderSet, send_measured
from hub.router.receipts import convert_receipt, dropped_report, find_reported
from hub.router.recheck import drop_signed_contracts, recheck
from hub.router.reconcile import BUSY_PAUSES, reconcile
from hub.router.rendering import Renderer
from hub.router.reports import MessageOutcome, OutcomeBatcher, log_state
from hub.store.messaging.deliveries_to_send import opening_to_send
from hub.store.transaction import Database, Transaction

# Claims older than this have expired. The leases of workers are longer.
CALL_LEASE = timedelta(seconds=CALL_TIMEOUT) + CALL_START_TIMEOUT
# How long to wait for a receipt after a lost reply, if the provider cannot be asked.
RECEIPT_FIRST = timedelta(minutes=2)
# Maximum number of calls with unknown outcome to a provider that cannot be asked: a message may be sent twice at most.
MAX_UNKNOWN_CALLS = 2


class Router:
    """The router, which sends each message through one of the configured providers."""

    def __init__(self, database: Database, providers: ProviderSet, renderer: Renderer, policy: ReminderPolicy) -> None:
        self._database = database
        self.providers = providers
        self.renderer = renderer
        self._policy = policy
        self._breaker = CircuitBreaker(database)
        begin_provider_series(providers.names)
        self._outcomes = OutcomeBatcher(database, self.apply_receipt)
        self.open_calls = OpenCalls(self.make_call)

    @property
    def configured(self) -> list[str]:
        return sorted(self.providers.channels)

    def choose_shape(self, channel: str, to: str) -> Shape | None:
        """Return the SMS shape for the first suitable provider. The provider that is called may need another shape."""
        able = self.providers.list_able(channel, to)
        return able[0].channel.rules.shapes_for(to)[0] if able and channel == "sms" else None

    # ---- sending

    async def prepare_calls(
        self, tx: Transaction, written: Sequence[tuple[Delivery, SignLink | None]]
    ) -> list[tuple[Delivery, BegunCall | None]]:
        """Choose the providers of messages that this transaction is about to store.

        Return each delivery in the form to be stored, with its call, which is None if the message has to wait.
        """
        deliveries = [delivery for delivery, _ in written]
        booked = await self.providers.book_many(tx, deliveries, self.providers.names)
        return [
            self._prepare_stored_call(tx, delivery, link, turn) if turn else await self._postpone_stored(tx, delivery)
            for (delivery, link), turn in zip(written, booked, strict=True)
        ]

    def _prepare_stored_call(
        self, tx: Transaction, delivery: Delivery, link: SignLink | None, booked: BookedProvider
    ) -> tuple[Delivery, BegunCall]:
        said = self._adapt_shape(booked.provider, replace(delivery, state_at=tx.planning_now, not_before=None))
        latest = tx.now + CALL_START_TIMEOUT
        message = self.renderer.render_with_link(said, link)
        return booked.provider.called(said, message, latest), BegunCall(said, booked, message, tx.now)

    async def _postpone_stored(self, tx: Transaction, delivery: Delivery) -> tuple[Delivery, None]:
        pause = await self._compute_pause(tx, delivery)
        return replace(delivery, not_before=tx.planning_now + pause, state_at=None), None

    async def begin_calls(self, tx: Transaction, written: Iterable[Delivery]) -> list[BegunCall]:
        """Begin to send messages that this transaction has written. Return the calls to make after the commit.

        Messages that have to wait are postponed, and `reconcile` sends them. Rate limits stay locked until the commit,
        so call this last in a transaction.
        """
        free = [each for each in written if not await hold_back(tx, each)]
        linked = [(each, await tx.links.get(each.link) if each.link else None) for each in free]
        calls = []
        for delivery, call in await self.prepare_calls(tx, linked):
            if call is not None:
                await tx.deliveries.write_call(delivery)
                calls.append(call)
            elif delivery.not_before is not None:
                await tx.deliveries.put_off(delivery.id, delivery.not_before)
        return calls

    async def send_delivery(
        self, delivery_id: UUID, *, fresh: bool, idle_since: datetime | None = None
    ) -> DeliveryState | None:
        """Send a committed attempt. Return its last known state, or None if there is no such attempt.

        `fresh`: no process can have claimed the attempt before. `idle_since`: claims older than this have expired (by
        default, those whose call must have ended). A valid claim of another process is respected. Raises Unavailable if
        no provider accepts the message now or the one that may have it does not respond; `reconcile` tries again later.
        """
        async with self._database.transaction(EVERYTHING, opening_to_send(delivery_id)) as tx:
            delivery = await tx.deliveries_to_send.lock(delivery_id)
            if delivery is None:
                return None
            at, touched = tx.planning_now, delivery.state_at
            expired_before = None if fresh else idle_since or at - CALL_LEASE
            if not self._may_claim(tx, delivery, expired_before):
                return delivery.state
            delivery = replace(delivery, state_at=at)
            # The job may have waited long for a worker, so the message may have become obsolete.
            fresh = fresh and at - delivery.created_at < CALL_LEASE
            restored = not fresh and await tx.pause.was_restored(delivery.id)
            call = None
            if delivery.provider or restored:
                await tx.deliveries.claim(delivery.id, at, held=touched)
            else:
                call = await self._book_call(tx, delivery, fresh=fresh)
        if call is None:
            ask = self._ask_every_provider if restored else self._ask_provider
            call = await ask(delivery, touched)
        return await self.make_call(call) if isinstance(call, BegunCall) else call

    def _may_claim(self, tx: Transaction, delivery: Delivery, expired_before: datetime | None) -> bool:
        """Return whether the outcome of an attempt is open, this hub calls its provider, and nobody else claims it."""
        if delivery.state not in (DeliveryState.SENDING, DeliveryState.UNKNOWN):
            return False
        if self.providers.is_left_to_others(delivery.provider, delivery.called_at or delivery.created_at, tx.now):
            return False
        return delivery.is_free(tx.planning_now, before=expired_before)

    async def _ask_every_provider(self, delivery: Delivery, touched: datetime | None) -> BegunCall | DeliveryState:
        """Ask all providers about a message from a backup: any of them may have been called after the backup."""
        if holder := await find_holder(self._database, self.providers, self.renderer, delivery):
            return await self._outcomes.add(MessageOutcome(delivery, *holder, delivery.earliest_start))
        return await self._ask_provider(delivery, touched)

    async def _ask_provider(self, delivery: Delivery, touched: datetime | None) -> BegunCall | DeliveryState:
        """Ask the provider that was called before. Call it again only if it does not have the message.

        `touched`: when the attempt was last claimed; None if it was postponed since.
        """
        if delivery.provider is None:  # restored from a backup, and no provider has it
            return await self._call_again(delivery)
        provider = self.providers.get(delivery.provider)
        if provider is None:  # unknown here for OTHER_HUBS_TIMEOUT, so it cannot be asked
            return await self._leave_to_fallback(delivery)
        async with self._database.transaction(EVERYTHING) as tx:
            message = await self.renderer.render_message(tx, delivery)
        try:
            reference = delivery.provider_reference or ""
            receipt = await asyncio.wait_for(provider.channel.find(message, reference), CALL_TIMEOUT)
        except (CannotAsk, TimeoutError) as error:
            if provider.channel.rules.queryable:
                raise Unavailable(f"the provider {provider.name} does not respond") from error
            return await self._handle_unanswerable(delivery, provider, touched)
        if receipt:
            return await self._outcomes.add(MessageOutcome(delivery, provider, receipt, delivery.earliest_start))
        return await self._call_again(delivery)

    async def _handle_unanswerable(
        self, delivery: Delivery, provider: Provider, touched: datetime | None
    ) -> BegunCall | DeliveryState:
        """Handle a provider that cannot be asked about a message: wait for a receipt, call once more, then use the next
        channel."""
        async with self._database.transaction(EVERYTHING) as tx:
            if provider.channel.rules.receipts and touched and tx.planning_now - touched < RECEIPT_FIRST:
                await tx.deliveries.put_off(delivery.id, touched + RECEIPT_FIRST)
                return delivery.state
        if delivery.calls >= MAX_UNKNOWN_CALLS:
            return await self._leave_to_fallback(delivery)
        return await self._call_again(delivery)

    async def _leave_to_fallback(self, delivery: Delivery) -> DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            await tx.deliveries.give_up_attempt(delivery.id, tx.planning_now)
        return delivery.state

    async def _call_again(self, delivery: Delivery) -> BegunCall | DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            # Asking took time, so the claim has to be renewed for the call that follows.
            at = tx.planning_now
            if not await tx.deliveries.claim(delivery.id, at, held=delivery.state_at):
                return delivery.state
            return await self._book_call(tx, replace(delivery, state_at=at), fresh=False)

    async def _book_call(
        self, tx: Transaction, delivery: Delivery, *, fresh: bool, tried: Collection[str] = ()
    ) -> BegunCall | DeliveryState:
        """Choose and record the provider and the text of the next call.

        Return the state instead if there is no call now: the message has become obsolete or has to wait, the number has
        opted out, or no provider is free. `tried`: providers that already refused the message.
        """
        if await hold_back(tx, delivery):
            return delivery.state
        if not fresh:
            match await recheck(tx, delivery, self._policy):
                case Drop(reason):
                    return (await tx.deliveries.report(delivery.id, dropped_report(reason), tx.planning_now)).state
                case Wait(until):
                    await tx.deliveries.put_off(delivery.id, until)
                    return delivery.state
            delivery = await drop_signed_contracts(tx, delivery, self.renderer)
        booked = await self.providers.book(tx, delivery, tried)
        if booked is None:
            await tx.deliveries.put_off(delivery.id, tx.planning_now + await self._compute_pause(tx, delivery))
            return delivery.state
        delivery = self._adapt_shape(booked.provider, delivery)
        latest = tx.now + CALL_START_TIMEOUT
        message = await self.renderer.render_message(tx, delivery)
        await tx.deliveries.write_call(booked.provider.called(delivery, message, latest))
        return BegunCall(delivery, booked, message, tx.now)

    def _adapt_shape(self, provider: Provider, delivery: Delivery) -> Delivery:
        """Return the delivery with its text in an SMS shape that this provider accepts."""
        rules = provider.channel.rules
        # A text that is registered at a provider has one shape only.
        shapes = rules.shapes_for(delivery.to)[: 1 if rules.fixed_texts else None]
        if delivery.channel != "sms" or delivery.shape in shapes:
            return delivery
        text = self.renderer.render_stored(
            delivery.purpose, delivery.channel, delivery.language, shapes[0], delivery.variables
        )
        return replace(delivery, shape=shapes[0].value, text=text)

    async def _compute_pause(self, tx: Transaction, delivery: Delivery) -> timedelta:
        """Return how long a message has to wait if no provider has a free slot for it."""
        waited = tx.planning_now - (delivery.planned_at or delivery.created_at)
        pause = next((pause for pause in BUSY_PAUSES if pause * 4 > waited), BUSY_PAUSES[-1])
        return max(pause, await self.providers.get_pause(tx, delivery))

    async def make_call(self, call: BegunCall) -> DeliveryState:
        """Make a committed call. If its provider certainly did not take the message, call the next provider.

        Raises Unavailable as `send_delivery` does.
        """
        following: BegunCall | DeliveryState = call
        tried: list[str] = []
        while isinstance(following, BegunCall):
            call = following
            tried.append(call.provider.name)
            try:
                await self._breaker.wait_for_slot(call.booked)
                held = await self._renew_claim(call)
                if held is None:
                    return call.delivery.state  # the claim expired, and another process has claimed it
                call = held
                receipt = await send_measured(call, self._database.clock)
            except MessageRefused as error:
                if error.failure is Failure.CONTENT and self.providers.list_untried(call.delivery, tried):
                    await self._release_call(call)  # this provider lacks the template; another may have it
                    following = await self._call_another(call.delivery, tried, call.due_at)
                    continue
                receipt = Receipt(Fate.UNDELIVERED, "", error.failure, str(error))
                return await self._record_outcome(call, receipt, DeliveryState.REFUSED)
            except (ReplyLost, TimeoutError) as error:
                await self._breaker.record_error(call.provider, str(error) or "no reply in time")
                return await self._mark_unknown(call, str(error) or "no reply in time")
            except NotNow as error:
                await self._release_call(call)
                await self._breaker.record_refusal(call.provider, error)
                following = await self._call_another(call.delivery, tried, call.due_at)
            else:
                if call.booked.probe:
                    await self._breaker.record_accepted(call.provider)
                return await self._record_outcome(call, receipt)
        if following is DeliveryState.SENDING:
            raise Unavailable(f"no provider of {call.delivery.channel} accepts messages now")
        return following

    async def _renew_claim(self, call: BegunCall) -> BegunCall | None:
        """Renew the claim of a call if it has expired. Return None if another process has claimed the message.

        If the renewal itself takes too long, renew again, so that no call outlives its claim. All processes judge
        claims by the same clock.
        """
        while self._database.clock() - call.claimed_at >= CALL_START_TIMEOUT:
            async with self._database.transaction(EVERYTHING) as tx:
                at = tx.planning_now
                assert call.delivery.state_at
                latest = tx.now + CALL_START_TIMEOUT
                if not await tx.deliveries.renew(call.delivery.id, at, call.delivery.state_at, latest):
                    return None
                call = replace(call, delivery=replace(call.delivery, state_at=at), claimed_at=tx.now)
        return call

    async def _release_call(self, call: BegunCall) -> None:
        async with self._database.transaction(EVERYTHING) as tx:
            assert call.delivery.state_at
            await tx.deliveries.note_not_taken(call.delivery.id, call.delivery.state_at)

    async def _call_another(
        self, delivery: Delivery, tried: Collection[str], due_at: datetime | None
    ) -> BegunCall | DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            at = tx.planning_now
            if not await tx.deliveries.claim(delivery.id, at, held=delivery.state_at):
                return delivery.state
            moved = replace(delivery, state_at=at, provider=None)
            following = await self._book_call(tx, moved, fresh=True, tried=tried)
            return replace(following, due_at=due_at) if isinstance(following, BegunCall) else following

    # ---- outcome

    async def _mark_unknown(self, call: BegunCall, failure: str) -> DeliveryState:
        async with self._database.transaction(EVERYTHING) as tx:
            unknown = StateReport(DeliveryState.UNKNOWN, failure=failure)
            delivery = await tx.deliveries.report(call.delivery.id, unknown, tx.planning_now)
        log_state(delivery, delivery.provider, delivery.state)
        return delivery.state

    async def _record_outcome(
        self, call: BegunCall, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        return await self._outcomes.add(MessageOutcome(call.delivery, call.provider, receipt, call.claimed_at, state))

    async def apply_receipt(
        self, tx: Transaction, about: UUID, provider: Provider, receipt: Receipt, state: DeliveryState | None = None
    ) -> DeliveryState:
        """Apply a receipt to a delivery, its phone number (opt-out) and its provider (circuit breaker)."""
        report = convert_receipt(receipt, state, receipts=provider.channel.rules.receipts)
        delivery = await tx.deliveries.report(about, report, tx.planning_now)
        if receipt.failure is Failure.OPTED_OUT:
            await tx.opt_outs.add(delivery.to, delivery.channel, tx.now, "provider")
        if receipt.failure is Failure.FILTERED:
            await self._breaker.record_filtered(tx, provider)
        if receipt.failure is Failure.ACCOUNT:
            await self._breaker.open_breaker(tx, provider, receipt.detail, until_delivered=True)
        if receipt.fate is Fate.DELIVERED:
            await record_arrival(tx, provider, delivery.earliest_start)
        log_state(delivery, delivery.provider, delivery.state)
        return delivery.state

    async def record_overdue_receipt(self, tx: Transaction, provider: Provider) -> None:
        """Lower the weight of a provider whose receipt is overdue."""
        await self._breaker.record_error_in(tx, provider, "no receipt in time")

    async def apply_report(self, tx: Transaction, provider: Provider, report: ReceiptReport) -> bool:
        """Apply a receipt from a callback. Return False if its message is not known here (yet)."""
        delivery = await find_reported(tx, provider, report)
        if delivery is None:
            return False
        await self.apply_receipt(tx, delivery.id, provider, report.receipt)
        return True

    async def reconcile(self, before: datetime) -> int:
        """Reconcile messages whose outcome has been unknown since `before` or earlier. Return how many were tried."""
        return await reconcile(self._database, self.send_delivery, before, self.providers.names)
