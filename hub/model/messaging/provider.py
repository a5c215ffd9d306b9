"""Provider: whoever carries the messages of a channel. How much of the traffic each one gets, and when it gets none.

Weights fall on errors and on slow receipts and drift back by themselves, so that traffic leaves a provider in trouble
within seconds and returns within the hour, without anybody watching (as GOV.UK Notify does it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.model.messaging.message import Purpose

# What is left of a weight after one error.
LOWERED_BY = 0.5
# A provider in trouble keeps this share of its weight, or nobody would notice that it is well again.
MIN_WEIGHT_SHARE = 0.02
# In this time a weight drifts from nothing back to what is configured.
BACK_AFTER = timedelta(hours=1)
# A broken account is tried again after this time, with one message.
PROBED_AFTER = timedelta(minutes=10)
FILTERED_STORM = 5
# So many messages filtered in so long mean a storm: sending more makes it worse.
STORM_WINDOW = timedelta(minutes=10)

# No provider is left alone for longer, whatever it says: then it is asked again.
MAX_REST = timedelta(hours=1)
# Staff hear of a provider that wants to be left alone for longer.
LONG_REST = timedelta(minutes=10)

# Further ahead of what is possible no lane is booked.
BOOKED_IN_ERROR = timedelta(minutes=1)

CODE_LANE, MESSAGE_LANE = "code", "message"


@dataclass(frozen=True)
class Provider:
    """As configured. `name` is that of the entry; `carries` what ladders call its channel; `rate` in messages a second.
    `serves`: how the numbers begin that it is used for; none: all."""

    name: str
    kind: str
    carries: str
    weight: float = 1.0
    rate: float = 10.0
    codes_share: float = 0.25
    serves: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("zh", "en")
    segment_cost: float | None = None
    currency: str = "CNY"

    def reaches(self, to: str) -> bool:
        return not self.serves or any(to.startswith(prefix) for prefix in self.serves)

    def lane_rate(self, lane: str) -> float:
        """Codes have a share of their own, which nothing else may use."""
        return self.rate * (self.codes_share if lane == CODE_LANE else 1 - self.codes_share)


@dataclass(frozen=True)
class Health:
    """How a provider is at present. `weight` is what it was at `changed_at`; `health.weight_at` says what it is now.
    `rests_until`: it said itself that it takes nothing before then (HTTP 429 with Retry-After). `until_delivered`: it
    is broken by what receipts said; it takes messages all the same, so only one that arrives proves that it is well."""

    name: str
    weight: float
    changed_at: datetime
    broken_at: datetime | None = None
    broken_reason: str | None = None
    rests_until: datetime | None = None
    until_delivered: bool = False

    def weight_at(self, configured: float, now: datetime) -> float:
        """Never more than what is configured, also after that was made smaller."""
        back = configured * max(0.0, (now - self.changed_at) / BACK_AFTER)
        return min(configured, self.weight + back)

    def lowered(self, configured: float, now: datetime) -> Health:
        weight = max(self.weight_at(configured, now) * LOWERED_BY, configured * MIN_WEIGHT_SHARE)
        return replace(self, weight=weight, changed_at=now)

    def broken(self, reason: str, now: datetime, *, until_delivered: bool = False) -> Health:
        """Since the first of several that say so, or the last probe."""
        held = until_delivered or (self.broken_at is not None and self.until_delivered)
        return replace(self, broken_at=self.broken_at or now, broken_reason=reason, until_delivered=held)

    def mended(self) -> Health:
        return replace(self, broken_at=None, broken_reason=None, until_delivered=False)

    def resting(self, rest: timedelta, now: datetime) -> Health:
        """Two answers may name two moments: the later one counts."""
        until = now + min(rest, MAX_REST)
        return replace(self, rests_until=max(until, self.rested_by(now)))

    def rested_by(self, now: datetime) -> datetime:
        """When it takes messages again. A moment further away was written before the clock was put back, or by a hub
        that knew no longest rest."""
        if self.rests_until is None or self.rests_until > now + MAX_REST:
            return now
        return max(self.rests_until, now)

    def rests(self, now: datetime) -> bool:
        return self.rested_by(now) > now

    def usable(self, now: datetime) -> bool:
        return not self.rests(now) and (self.broken_at is None or now - self.broken_at >= PROBED_AFTER)


def in_order(
    providers: Sequence[Provider], healths: Mapping[str, Health], now: datetime, draw: Sequence[float]
) -> list[Provider]:
    """Usable providers in a random order by their weights; `draw` has a number from 0, below 1, for each of them.

    The same as drawing without replacement: each gets the key `draw ** (1 / weight)`, the largest first (Efraimidis and
    Spirakis, 2006).
    """
    keys = {}
    for provider, number in zip(providers, draw, strict=True):
        health = healths.get(provider.name)
        if health is None or health.usable(now):
            weight = health.weight_at(provider.weight, now) if health else provider.weight
            keys[provider.name] = number ** (1 / weight)
    usable = [provider for provider in providers if provider.name in keys]
    return sorted(usable, key=lambda provider: keys[provider.name], reverse=True)


def turn_at(booked_until: datetime, now: datetime, patience: timedelta, interval: timedelta) -> datetime | None:
    """Return when a lane that is booked until then may send its next message; None: only after `patience`.

    `interval`: between two messages. Nobody books further ahead than `patience`: what is booked for long after was
    booked before the clock was put back.
    """
    if booked_until > now + patience + interval + BOOKED_IN_ERROR:
        return now
    return None if booked_until > now + patience else max(booked_until, now)


def lane_of(purpose: str) -> str:
    return CODE_LANE if purpose == Purpose.CODE else MESSAGE_LANE
