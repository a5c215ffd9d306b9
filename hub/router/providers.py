"""The configured providers, each with its channel: who may carry a message, and who is tried first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from channels import Channel, Message
from hub.model.messaging.delivery import PATIENCE, Delivery
from hub.model.messaging.provider import Provider, in_order, lane_of
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

    async def rest(self, tx: Transaction, delivery: Delivery) -> timedelta:
        """How long every provider that could carry it wants to be left alone; nothing where one of them does not."""
        able = self.of(delivery.channel, delivery.to, delivery.language)
        healths = await tx.providers.healths([each.name for each in able])
        moments = [healths[each.name].rested_by(tx.now) if each.name in healths else tx.now for each in able]
        return min(moments, default=tx.now) - tx.now

    async def book(self, tx: Transaction, delivery: Delivery, tried: Collection[str]) -> Booked | None:
        """The provider that is to be tried now, its rate booked; None when no usable one has room within PATIENCE."""
        able = [each for each in self.of(delivery.channel, delivery.to, delivery.language) if each.name not in tried]
        healths = await tx.providers.healths([each.name for each in able])
        draws = [self._draw() for _ in able]
        tried_now = in_order([each.provider for each in able], healths, tx.now, draws)
        lane = lane_of(delivery.purpose)
        await tx.providers.hold_lanes([each.name for each in tried_now], lane, tx.now)
        for provider in tried_now:
            health = healths.get(provider.name)
            probe = health is not None and health.broken_at is not None
            if health and probe and not await tx.providers.take_probe(health, tx.now):
                continue
            each = timedelta(seconds=1 / provider.lane_rate(lane))
            at = await tx.providers.book(provider.name, lane, each, tx.now, PATIENCE)
            if at is not None:
                return Booked(self[provider.name], at, probe)
        return None
