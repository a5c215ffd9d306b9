"""Choose the provider for a message among the configured providers, reserve a slot in its rate limit, and call it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from channels import CALL_TIMEOUT, AccountTrouble, Channel, FixedTexts, Message, MessageRefused, NotNow, Receipt
from hub.measures import DUE_TO_SENT_SECONDS, CallOutcome, count_call
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import PATIENCE, Delivery
from hub.model.messaging.message import ANSWERS, BY_SMS_ALONE, NOT_BY_VOICE, Purpose
from hub.model.messaging.provider import Health, ProviderSettings, choose_lane, order_by_weight, turn_at
from hub.model.messaging.sms_length import measure_text
from hub.store.transaction import Transaction

# While several hubs are restarted with a new configuration, some know a provider that others do not. For this time, a
# hub that does not know a message's provider leaves the message to the other hubs.
OTHER_HUBS_TIMEOUT = timedelta(days=1)


@dataclass(frozen=True)
class Provider:
    """A configured provider with the channel that talks to it."""

    settings: ProviderSettings
    channel: Channel

    @property
    def name(self) -> str:
        return self.settings.name

    def called(self, delivery: Delivery, message: Message, latest: datetime) -> Delivery:
        """Return the delivery as stored before this provider is called. The call begins by `latest`."""
        is_counted = self.settings.carries == "sms"
        segments = measure_text(self.channel.rules.prefix + message.text).segments if is_counted else 1
        calls = delivery.calls + 1
        return replace(delivery, provider=self.name, called_at=latest, segments=segments, calls=calls)


@dataclass(frozen=True)
class BookedProvider:
    """A provider with a slot in its rate limit.

    `at`: earliest moment (real time) for the call. `probe`: the circuit breaker is open, and this message tests whether
    the provider works again.
    """

    provider: Provider
    at: datetime
    probe: bool = False


@dataclass(frozen=True)
class BegunCall:
    """A call that can be made once the transaction that began it is committed.

    `claimed_at`: real time. `due_at`: when the message's step was due, on the planning clock; None without a step.
    """

    delivery: Delivery
    booked: BookedProvider
    message: Message
    claimed_at: datetime
    due_at: datetime | None = None

    @property
    def provider(self) -> Provider:
        return self.booked.provider


async def send_measured(call: BegunCall, clock: Callable[[], datetime]) -> Receipt:
    """Call the provider, and measure the call for `/metrics`: its outcome and duration, and how late the message left.

    `clock`: real time. Raises what `Channel.send` raises, and TimeoutError.
    """
    began, outcome = time.monotonic(), CallOutcome.UNKNOWN
    try:
        async with asyncio.timeout(CALL_TIMEOUT):  # `wait_for` would make the call in a task
            receipt = await call.provider.channel.send(call.message)
        outcome = CallOutcome.ACCEPTED
    except MessageRefused:
        outcome = CallOutcome.REFUSED
        raise
    except AccountTrouble:
        outcome = CallOutcome.ACCOUNT
        raise
    except NotNow:
        outcome = CallOutcome.NOT_NOW
        raise
    finally:
        count_call(call.provider.name, outcome, time.monotonic() - began)
    DUE_TO_SENT_SECONDS.labels(call.delivery.purpose).observe(_compute_lateness(call, clock()).total_seconds())
    return receipt


def _compute_lateness(call: BegunCall, now: datetime) -> timedelta:
    """Return the time since the message of this call was due. `now`: real time.

    A message without a step was due when it was written. The claim's times on both clocks show how far the planning
    clock is ahead of real time.
    """
    delivery = call.delivery
    due = call.due_at or delivery.planned_at or delivery.created_at
    ahead = delivery.state_at - call.claimed_at if delivery.state_at else timedelta(0)
    return max(now + ahead - due, timedelta(0))


def can_send(providers: Iterable[Provider], purpose: str, language: str) -> list[Provider]:
    """Return the providers that can send a message of this purpose. A provider that sends only registered texts can
    send a reply only if the text of the reply is registered."""
    return [each for each in providers if purpose != Purpose.REPLY or _has_text(each.channel, f"{purpose}.{language}")]


def _has_text(channel: Channel, text: str) -> bool:
    return not isinstance(channel, FixedTexts) or text in channel.templates


class ProviderSet:
    """The configured providers. `draw` returns a random number in [0, 1)."""

    def __init__(self, providers: Iterable[Provider], draw: Callable[[], float]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._draw = draw

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def get(self, name: str | None) -> Provider | None:
        return self._providers.get(name or "")

    @property
    def names(self) -> list[str]:
        return sorted(self._providers)

    def is_left_to_others(self, name: str | None, since: datetime, now: datetime) -> bool:
        """Return whether another hub has to handle a message or callback of this provider, which dates from `since`.

        That is the case if this hub does not know the provider, and `since` is less than OTHER_HUBS_TIMEOUT ago.
        """
        return name is not None and name not in self._providers and now - since < OTHER_HUBS_TIMEOUT

    def list_able(self, channel: str, to: str, language: str | None = None) -> list[Provider]:
        """Return the providers of this channel that reach this address, in the order of the configuration.

        If some of them have texts in `language`, return only those.
        """
        able = [
            each
            for each in self
            if each.settings.carries == channel and each.settings.reaches(to) and each.channel.rules.shapes_for(to)
        ]
        return [each for each in able if language in each.settings.languages] or able

    @property
    def channels(self) -> frozenset[str]:
        return frozenset(each.settings.carries for each in self)

    def list_channels(self, signer: Signer, purpose: str, first: Sequence[str], unwanted: Collection[str]) -> list[str]:
        """Return the channels to try for this message, in order.

        A one-time code goes to the phone on file by SMS or voice, and by e-mail only if no channel reaches a phone.
        `first`: channels to try before the signer's own. `unwanted`: channels that the number opted out of; they are
        still used for codes, and for answers to commands such as STOP.
        """
        if purpose in BY_SMS_ALONE:
            able = self.list_able("sms", signer.phone, signer.language)
            wanted = purpose in ANSWERS or "sms" not in unwanted
            return ["sms"] if wanted and can_send(able, purpose, signer.language) else []
        wished = list(dict.fromkeys((*first, *signer.channels)))
        if purpose == Purpose.CODE:
            phones = [channel for channel in ("sms", "voice") if self._has_provider(signer, channel)]
            wished, unwanted = sorted(phones, key=lambda channel: channel not in first) or list(signer.channels), ()
        if Purpose(purpose) in NOT_BY_VOICE:
            wished = [channel for channel in wished if channel != "voice"]
        return [channel for channel in wished if channel not in unwanted and self._has_provider(signer, channel)]

    def _has_provider(self, signer: Signer, channel: str) -> bool:
        address = signer.address_for(channel)
        return bool(address and self.list_able(channel, address))

    async def get_pause(self, tx: Transaction, delivery: Delivery) -> timedelta:
        """Return the time until the pause of the first suitable provider ends; zero if one of them is not paused."""
        able = self.list_untried(delivery, ())
        healths = await tx.providers.get_healths([each.name for each in able])
        moments = [healths[each.name].usable_from(tx.now) if each.name in healths else tx.now for each in able]
        return min(moments, default=tx.now) - tx.now

    async def book(self, tx: Transaction, delivery: Delivery, tried: Collection[str]) -> BookedProvider | None:
        """Choose a usable provider and reserve a slot in its rate limit. Return None if none is free within PATIENCE.

        `tried`: providers to leave out.
        """
        names = [each.name for each in self.list_untried(delivery, tried)]
        (booked,) = await self.book_many(tx, [delivery], names, tried)
        return booked

    async def book_many(
        self, tx: Transaction, deliveries: Sequence[Delivery], names: Sequence[str], tried: Collection[str] = ()
    ) -> list[BookedProvider | None]:
        """Book providers for several messages of one lane, as `book` does for one.

        `names`: all providers that may send any of the messages.
        """
        if not names or not deliveries:
            return [None] * len(deliveries)
        lane = choose_lane(deliveries[0].purpose)
        lanes = await tx.providers.lock_lanes(names, lane, tx.now)
        booking = _Booking(lane, tx.now, {name: each.booked_until for name, each in lanes.items()})
        booking.healths.update({name: each.health for name, each in lanes.items() if each.health})
        booked = [await self._book_one(tx, each, booking, tried) for each in deliveries]
        if booking.booked:
            await tx.providers.book(lane, booking.booked)
        return booked

    def list_untried(self, delivery: Delivery, tried: Collection[str]) -> list[Provider]:
        """Return the providers that can send this message, without those that were tried already."""
        able = self.list_able(delivery.channel, delivery.to, delivery.language)
        return [each for each in can_send(able, delivery.purpose, delivery.language) if each.name not in tried]

    async def _book_one(
        self, tx: Transaction, delivery: Delivery, booking: _Booking, tried: Collection[str]
    ) -> BookedProvider | None:
        able = [each.settings for each in self.list_untried(delivery, tried)]
        for provider in order_by_weight(able, booking.healths, booking.now, [self._draw() for _ in able]):
            health = booking.healths.get(provider.name)
            probe = health is not None and health.broken_at is not None
            if health and probe and not await tx.providers.take_probe(health, booking.now):
                continue
            at = booking.reserve_slot(provider)
            if at is not None:
                return BookedProvider(self[provider.name], at, probe)
        return None


@dataclass
class _Booking:
    """The rate limits (lanes) that this transaction has locked, and the health of their providers. Times are real time.

    `until`: the moment until which the lane of each provider is reserved. `booked`: the reservations of this
    transaction.
    """

    lane: str
    now: datetime
    until: dict[str, datetime]
    healths: dict[str, Health] = field(default_factory=dict)
    booked: dict[str, datetime] = field(default_factory=dict)

    def reserve_slot(self, provider: ProviderSettings) -> datetime | None:
        """Reserve the next slot in the rate limit of this provider. Return None if no slot is free within PATIENCE."""
        interval = timedelta(seconds=1 / provider.lane_rate(self.lane))
        at = turn_at(self.until[provider.name], self.now, PATIENCE, interval)
        if at is not None:
            self.until[provider.name] = self.booked[provider.name] = at + interval
        return at
