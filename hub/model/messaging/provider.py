"""Provider: a service that sends the messages of a channel, its share of the traffic, and its circuit breaker.

Errors and slow receipts lower the weight of a provider; time raises it again. So traffic leaves a failing provider
within seconds and returns within an hour, without an operator (as in GOV.UK Notify).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.model.messaging.message import Purpose

# Factor applied to the weight after each error.
LOWERED_BY = 0.5
# Lowest weight, as a share of the configured one. Some traffic has to remain, or a recovery would go unnoticed.
MIN_WEIGHT_SHARE = 0.02
# After errors, a provider counts as healthy again once its weight has risen to this share of the configured one.
WELL_SHARE = 0.9
# Time in which a weight rises from zero to the configured one.
BACK_AFTER = timedelta(hours=1)
# Time after which a broken provider is tried again with one message, the probe.
PROBED_AFTER = timedelta(minutes=10)
# This many messages filtered as spam within STORM_WINDOW open the circuit breaker: sending more makes it worse.
FILTERED_STORM = 5
STORM_WINDOW = timedelta(minutes=10)

# Longest pause that a provider can ask for (Retry-After); after it the provider is tried again.
MAX_PAUSE = timedelta(hours=1)
# Staff are alerted when a provider asks for a longer pause than this.
LONG_PAUSE = timedelta(minutes=10)

# A lane that is booked further ahead than `patience` plus this time was booked before the clock was set back.
BOOKED_IN_ERROR = timedelta(minutes=1)

LANES = CODE_LANE, MESSAGE_LANE = "code", "message"


@dataclass(frozen=True)
class ProviderSettings:
    """A provider as configured.

    `name`: key of the configuration entry. `carries`: the channel (sms, voice, email). `rate`: messages per second.
    `codes_share`: share of the rate reserved for one-time codes. `serves`: prefixes of the numbers it is used for;
    empty for all. `segment_cost`: price of a segment in `currency`.
    """

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
        """Return the messages per second of a lane. A share of the rate is reserved for one-time codes."""
        return self.rate * (self.codes_share if lane == CODE_LANE else 1 - self.codes_share)


@dataclass(frozen=True)
class Health:
    """Current state of a provider.

    `weight`: its weight at `changed_at`; `compute_weight` computes the current one.
    `broken_at`: when the circuit breaker opened; None while it is closed.
    `rests_until`: end of the pause that the provider asked for (HTTP 429 with Retry-After).
    `until_delivered`: the breaker was opened by receipts. Since such a provider still accepts messages, only a message
    that arrives closes the breaker.
    """

    name: str
    weight: float
    changed_at: datetime
    broken_at: datetime | None = None
    broken_reason: str | None = None
    rests_until: datetime | None = None
    until_delivered: bool = False

    def compute_weight(self, configured: float, now: datetime) -> float:
        """Return the weight at `now`, at most the `configured` one."""
        back = configured * max(0.0, (now - self.changed_at) / BACK_AFTER)
        return min(configured, self.weight + back)

    def is_well(self, configured: float, now: datetime) -> bool:
        """Return whether the last errors are so long ago that the next one should be logged."""
        return self.compute_weight(configured, now) >= configured * WELL_SHARE

    def lower_weight(self, configured: float, now: datetime) -> Health:
        weight = max(self.compute_weight(configured, now) * LOWERED_BY, configured * MIN_WEIGHT_SHARE)
        return replace(self, weight=weight, changed_at=now)

    def open_breaker(self, reason: str, now: datetime, *, until_delivered: bool = False) -> Health:
        """Return the state with the circuit breaker open. If it is already open, `broken_at` does not change."""
        held = until_delivered or (self.broken_at is not None and self.until_delivered)
        return replace(self, broken_at=self.broken_at or now, broken_reason=reason, until_delivered=held)

    def close_breaker(self) -> Health:
        return replace(self, broken_at=None, broken_reason=None, until_delivered=False)

    def pause_for(self, rest: timedelta, now: datetime) -> Health:
        """Return the state with a pause of `rest`, unless the current pause ends later."""
        until = now + min(rest, MAX_PAUSE)
        return replace(self, rests_until=max(until, self.usable_from(now)))

    def usable_from(self, now: datetime) -> datetime:
        """Return when the pause ends; `now` if there is none."""
        # A later moment was stored before the clock was set back.
        if self.rests_until is None or self.rests_until > now + MAX_PAUSE:
            return now
        return max(self.rests_until, now)

    def is_paused(self, now: datetime) -> bool:
        return self.usable_from(now) > now

    def is_usable(self, now: datetime) -> bool:
        return not self.is_paused(now) and (self.broken_at is None or now - self.broken_at >= PROBED_AFTER)


def order_by_weight(
    providers: Sequence[ProviderSettings], healths: Mapping[str, Health], now: datetime, draw: Sequence[float]
) -> list[ProviderSettings]:
    """Return the usable providers in a weighted random order.

    `draw`: a random number in [0, 1) for each provider. Equivalent to weighted drawing without replacement: sort by the
    key `draw ** (1 / weight)`, largest first (Efraimidis and Spirakis, 2006).
    """
    keys = {}
    for provider, number in zip(providers, draw, strict=True):
        health = healths.get(provider.name)
        if health is None or health.is_usable(now):
            weight = health.compute_weight(provider.weight, now) if health else provider.weight
            keys[provider.name] = number ** (1 / weight)
    usable = [provider for provider in providers if provider.name in keys]
    return sorted(usable, key=lambda provider: keys[provider.name], reverse=True)


def turn_at(booked_until: datetime, now: datetime, patience: timedelta, interval: timedelta) -> datetime | None:
    """Return when a lane may send its next message, or None if that is more than `patience` ahead.

    `booked_until`: until when the lane is booked. `interval`: the time between two messages. A lane that is booked too
    far ahead was booked before the clock was set back, and may send at once.
    """
    if booked_until > now + patience + interval + BOOKED_IN_ERROR:
        return now
    return None if booked_until > now + patience else max(booked_until, now)


def choose_lane(purpose: str) -> str:
    return CODE_LANE if purpose == Purpose.CODE else MESSAGE_LANE
