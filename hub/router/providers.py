"""The configured providers, each with its channel: who may carry a message, and who is tried first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from channels import Channel, Message
from hub.model.contract.signer import Signer
from hub.model.messaging.delivery import PATIENCE, Delivery
from hub.model.messaging.message import ANSWERS, NOT_BY_VOICE, Purpose
from hub.model.messaging.provider import Health, Provider, in_order, lane_of, turn_at
from hub.store.transaction import Transaction

# While hubs are started anew with another configuration, some know a provider already, or still, that others do not.
# What is its own is left alone so long by those; then nobody is waited for any more.
LEFT_TO_OTHERS = timedelta(days=1)


@dataclass(frozen=True)
class Carrier:
    """A provider as configured, and the channel that speaks to it."""

    provider: Provider
    channel: Channel

    @property
    def name(self) -> str:
        return self.provider.name


@dataclass(frozen=True)
class Booked:
    """A carrier with a place in its rate: not before `at`, which is real time. `probe`: its account was broken, and
    this one message is to show whether it still is."""

    carrier: Carrier
    at: datetime
    probe: bool = False


@dataclass(frozen=True)
class Begun:
    """A call that is committed and may be made: by whom, not before when, and what is said. `claimed_at` is real
    time."""

    delivery: Delivery
    booked: Booked
    message: Message
    claimed_at: datetime

    @property
    def carrier(self) -> Carrier:
        return self.booked.carrier


def address_of(signer: Signer, channel: str) -> str | None:
    """Return the mailbox or the phone to which this channel leads."""
    return signer.email if channel == "email" else signer.phone


class Carriers:
    """`draw` returns a random number from 0, below 1."""

    def __init__(self, carriers: Iterable[Carrier], draw: Callable[[], float]) -> None:
        self._carriers = {carrier.name: carrier for carrier in carriers}
        self._draw = draw

    def __iter__(self) -> Iterator[Carrier]:
        return iter(self._carriers.values())

    def __getitem__(self, name: str) -> Carrier:
        return self._carriers[name]

    def get(self, name: str | None) -> Carrier | None:
        return self._carriers.get(name or "")

    @property
    def names(self) -> list[str]:
        return sorted(self._carriers)

    def left_to_others(self, name: str | None, since: datetime, now: datetime) -> bool:
        """Whether something of this provider's, that is there `since` then, is none of this process's business."""
        return name is not None and name not in self._carriers and now - since < LEFT_TO_OTHERS

    def of(self, channel: str, to: str, language: str | None = None) -> list[Carrier]:
        """Those that carry this channel to this address, in the order of the configuration; of them those that have
        the language, where any has."""
        able = [
            each
            for each in self
            if each.provider.carries == channel and each.provider.reaches(to) and each.channel.rules.shapes_for(to)
        ]
        return [each for each in able if language in each.provider.languages] or able

    @property
    def channels(self) -> frozenset[str]:
        return frozenset(each.provider.carries for each in self)

    def ladder(self, signer: Signer, purpose: str, first: Sequence[str], unwanted: Collection[str]) -> list[str]:
        """Return the channels by which this message may reach the signer, the first one first.

        `first`: those that come before what the signer wished for; `unwanted`: those that the number does not want.
        """
        if purpose in ANSWERS:
            return ["sms"] if self._leads_to(signer, "sms") else []
        wished = list(dict.fromkeys((*first, *signer.channels)))
        if purpose == Purpose.CODE:
            phones = [channel for channel in ("sms", "voice") if self._leads_to(signer, channel)]
            wished = sorted(phones, key=lambda channel: channel not in first) or list(signer.channels)
        if Purpose(purpose) in NOT_BY_VOICE:
            wished = [channel for channel in wished if channel != "voice"]
        return [channel for channel in wished if channel not in unwanted and self._leads_to(signer, channel)]

    def _leads_to(self, signer: Signer, channel: str) -> bool:
        address = address_of(signer, channel)
        return bool(address and self.of(channel, address))

    async def rest(self, tx: Transaction, delivery: Delivery) -> timedelta:
        """How long every provider that could carry it wants to be left alone; nothing where one of them does not."""
        able = self._able(delivery, ())
        healths = await tx.providers.healths([each.name for each in able])
        moments = [healths[each.name].rested_by(tx.now) if each.name in healths else tx.now for each in able]
        return min(moments, default=tx.now) - tx.now

    async def book(self, tx: Transaction, delivery: Delivery, tried: Collection[str]) -> Booked | None:
        """Return the provider that is to be tried now, its rate booked; None when no usable one has room in time.

        `tried`: those that did not take it.
        """
        names = [each.name for each in self._able(delivery, tried)]
        (booked,) = await self.book_many(tx, [delivery], names, tried)
        return booked

    async def book_many(
        self, tx: Transaction, deliveries: Sequence[Delivery], names: Sequence[str], tried: Collection[str] = ()
    ) -> list[Booked | None]:
        """Return for each of these messages of one lane what `book` does. `names`: all that may carry any of them."""
        if not names or not deliveries:
            return [None] * len(deliveries)
        lane = lane_of(deliveries[0].purpose)
        lanes = await tx.providers.lock_lanes(names, lane, tx.now)
        booking = _Booking(lane, tx.now, {name: each.booked_until for name, each in lanes.items()})
        booking.healths.update({name: each.health for name, each in lanes.items() if each.health})
        booked = [await self._book_one(tx, each, booking, tried) for each in deliveries]
        if booking.booked:
            await tx.providers.book(lane, booking.booked)
        return booked

    def _able(self, delivery: Delivery, tried: Collection[str]) -> list[Carrier]:
        able = self.of(delivery.channel, delivery.to, delivery.language)
        return [each for each in able if each.name not in tried]

    async def _book_one(
        self, tx: Transaction, delivery: Delivery, booking: _Booking, tried: Collection[str]
    ) -> Booked | None:
        able = [each.provider for each in self._able(delivery, tried)]
        for provider in in_order(able, booking.healths, booking.now, [self._draw() for _ in able]):
            health = booking.healths.get(provider.name)
            probe = health is not None and health.broken_at is not None
            if health and probe and not await tx.providers.take_probe(health, booking.now):
                continue
            at = booking.take_turn(provider)
            if at is not None:
                return Booked(self[provider.name], at, probe)
        return None


@dataclass
class _Booking:
    """Lanes that this transaction has locked: until when they are booked (`booked`: by it), and how their providers
    fare. Real time."""

    lane: str
    now: datetime
    until: dict[str, datetime]
    healths: dict[str, Health] = field(default_factory=dict)
    booked: dict[str, datetime] = field(default_factory=dict)

    def take_turn(self, provider: Provider) -> datetime | None:
        """Book the next turn at this provider; None when it has no room within PATIENCE."""
        interval = timedelta(seconds=1 / provider.lane_rate(self.lane))
        at = turn_at(self.until[provider.name], self.now, PATIENCE, interval)
        if at is not None:
            self.until[provider.name] = self.booked[provider.name] = at + interval
        return at
