"""Reports: how far the contracts issued in a period have got, what messages cost, and why some did not arrive.

A report is about the contracts *issued* in its period, whenever they were signed. So its numbers are parts of one
another: signed contracts have reached their signer, and completed contracts are signed.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from hub.errors import BadInput
from hub.model.contract.contract import ContractState
from hub.model.messaging.delivery import DeliveryState
from hub.model.messaging.provider import ProviderSettings

MAX_DAYS = 366
# Longer periods are shown by weeks, so that each bar can still be seen.
MAX_SINGLE_DAYS = 62
# Times to sign are counted in steps of a logarithmic scale; a step is 5 % wide (e to the power of 1/20).
STEPS_PER_E = 20
SHARES = (0.5, 0.9)
_SIGNED = (ContractState.SIGNED.value, ContractState.COMPLETED.value)
# States of messages that the provider has accepted and bills.
_TAKEN = (DeliveryState.SENT.value, DeliveryState.DELIVERED.value, DeliveryState.UNDELIVERED.value)
_FAILED = (DeliveryState.UNDELIVERED.value, DeliveryState.REFUSED.value)


class ReportGroup(StrEnum):
    """How the contracts of a report are grouped. By channel, a contract counts for each channel of its messages."""

    DAY = "day"
    CAMPUS = "campus"
    COURSE = "course"
    CHANNEL = "channel"


@dataclass(frozen=True)
class ReportPeriod:
    """A period of whole days in a time zone, including `last`. Raises BadInput if it has no day or too many."""

    first: date
    last: date
    zone: str

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise BadInput("the period ends before it begins", field="until")
        if (self.last - self.first).days >= MAX_DAYS:
            raise BadInput(f"a report is about {MAX_DAYS} days at most", field="from")

    @property
    def begin(self) -> datetime:
        return self.begin_of(self.first)

    @property
    def end(self) -> datetime:
        """The moment after the last day."""
        return self.begin_of(self.last + timedelta(days=1))

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]

    def begin_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone))

    @property
    def by_week(self) -> bool:
        return (self.last - self.first).days >= MAX_SINGLE_DAYS

    def list_days(self) -> list[date]:
        """Return each day; for a period shown by weeks, its first day and each later Monday."""
        return sorted({self.shown_at(day) for day in self.days})

    def shown_at(self, day: date) -> date:
        """Return the day under which the numbers of `day` are shown."""
        return max(self.first, day - timedelta(days=day.weekday())) if self.by_week else day


@dataclass(frozen=True)
class CountedContracts:
    """The number of contracts with the same values. `step`: how long signing took, on the logarithmic scale of
    `STEPS_PER_E`; None if they are not signed."""

    key: str
    state: str
    is_reached: bool
    step: int | None
    number: int


@dataclass
class ReportLine:
    """The figures of one group. `steps`: the number of signed contracts for each step of the time to sign."""

    issued: int = 0
    reached: int = 0
    signed: int = 0
    completed: int = 0
    expired: int = 0
    open: int = 0
    steps: Counter[int] = field(default_factory=Counter)

    def add(self, counted: CountedContracts) -> None:
        self.issued += counted.number
        self.reached += counted.number if counted.is_reached else 0
        self.signed += counted.number if counted.state in _SIGNED else 0
        self.completed += counted.number if counted.state == ContractState.COMPLETED.value else 0
        self.expired += counted.number if counted.state == ContractState.EXPIRED.value else 0
        self.open += counted.number if counted.state == ContractState.ISSUED.value else 0
        if counted.step is not None:
            self.steps[counted.step] += counted.number

    @property
    def ended(self) -> int:
        """The number of contracts that were declined, voided or signed on paper."""
        return self.issued - self.signed - self.expired - self.open

    @property
    def times(self) -> tuple[timedelta | None, ...]:
        """The median and the 90th percentile of the time to sign."""
        return tuple(compute_percentile(self.steps, share) for share in SHARES)


def compute_percentile(steps: Mapping[int, int], share: float) -> timedelta | None:
    """Return the time within which this share of the contracts was signed, accurate to 3 %; None if none is signed."""
    left = math.ceil(sum(steps.values()) * share)
    for step in sorted(steps):
        left -= steps[step]
        if left <= 0:
            return timedelta(seconds=round(math.exp((step + 0.5) / STEPS_PER_E)))
    return None


def combine_lines(lines: Iterable[ReportLine]) -> ReportLine:
    """Return the figures of all these groups together."""
    found = ReportLine()
    for line in lines:
        for name in ("issued", "reached", "signed", "completed", "expired", "open"):
            setattr(found, name, getattr(found, name) + getattr(line, name))
        found.steps.update(line.steps)
    return found


def sum_lines(counted: Iterable[CountedContracts]) -> dict[str, ReportLine]:
    """Return the figures of each group by its key."""
    found: defaultdict[str, ReportLine] = defaultdict(ReportLine)
    for each in counted:
        found[each.key].add(each)
    return dict(found)


def sum_days(counted: Iterable[CountedContracts], period: ReportPeriod) -> dict[date, ReportLine]:
    """Return the figures of each day, or each week, of the period, including those without a contract."""
    found = {day: ReportLine() for day in period.list_days()}
    for each in counted:
        found[period.shown_at(date.fromisoformat(each.key))].add(each)
    return found


# ---- messages


@dataclass(frozen=True)
class CountedMessages:
    """The number of messages with the same values. `segments`: the segments of all of them; a message that was not
    measured counts as one segment, and `unmeasured` is the number of such messages. `reason`: why they failed, one of
    `channels.Failure`, if known."""

    channel: str
    provider: str | None
    state: str
    reason: str | None
    number: int
    segments: int
    unmeasured: int = 0


@dataclass(frozen=True)
class Spend:
    """The messages that one provider accepted. `cost`: at the price configured now; None without a price."""

    provider: str
    channel: str
    messages: int
    segments: int
    unmeasured: int
    cost: Decimal | None
    currency: str


@dataclass(frozen=True)
class Undelivered:
    channel: str
    reason: str
    number: int


def sum_spend(messages: Iterable[CountedMessages], providers: Mapping[str, ProviderSettings]) -> list[Spend]:
    """Return the messages that each provider accepted, the most segments first. `providers`: by name."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in messages:
        if each.provider and each.state in _TAKEN:
            sums = {"messages": each.number, "segments": each.segments, "unmeasured": each.unmeasured}
            counts[each.provider, each.channel].update(sums)
    found = [_priced(key, counted, providers.get(key[0])) for key, counted in counts.items()]
    return sorted(found, key=lambda spend: (-spend.segments, spend.provider))


def _priced(key: tuple[str, str], counted: Counter[str], provider: ProviderSettings | None) -> Spend:
    price = provider.segment_cost if provider else None
    cost = None if price is None else Decimal(str(price)) * counted["segments"]
    currency = provider.currency if provider else ""
    return Spend(*key, counted["messages"], counted["segments"], counted["unmeasured"], cost, currency)


def list_undelivered(messages: Iterable[CountedMessages]) -> list[Undelivered]:
    """Return how many messages failed, by channel and reason, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in messages:
        if each.state in _FAILED:
            counts[each.channel, each.reason or "other"] += each.number
    found = [Undelivered(*key, number) for key, number in counts.items()]
    return sorted(found, key=lambda each: (-each.number, each.channel, each.reason))


def sum_costs(spends: Sequence[Spend]) -> dict[str, Decimal]:
    """Return the costs that are known, by currency."""
    found: dict[str, Decimal] = {}
    for each in spends:
        if each.cost is not None:
            found[each.currency] = found.get(each.currency, Decimal(0)) + each.cost
    return found
