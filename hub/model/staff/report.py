"""Reports: what became of the contracts that were issued in a period, what messages cost, and why some did not arrive.

A report is about the contracts *issued* in its period, whenever they were signed, so that its numbers are parts of one
whole: whoever has signed was reached, and whatever is completed was signed.
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
from hub.model.messaging.provider import Provider

MAX_DAYS = 366
# Longer periods are shown by weeks, so that each bar can still be seen.
MAX_SINGLE_DAYS = 62
# Times to sign are counted in steps of a logarithmic scale; a step is 5 % wide (e to the power of 1/20).
STEPS_PER_E = 20
SHARES = (0.5, 0.9)
_SIGNED = (ContractState.SIGNED.value, ContractState.COMPLETED.value)
# What the provider took, and bills.
_TAKEN = (DeliveryState.SENT.value, DeliveryState.DELIVERED.value, DeliveryState.UNDELIVERED.value)
_FAILED = (DeliveryState.UNDELIVERED.value, DeliveryState.REFUSED.value)


class ReportGroup(StrEnum):
    """By what the contracts of a report are grouped. A contract counts at each channel of a message about it."""

    DAY = "day"
    CAMPUS = "campus"
    COURSE = "course"
    CHANNEL = "channel"


@dataclass(frozen=True)
class ReportPeriod:
    """Whole days in a time zone. `last` belongs to it. Raises BadInput for no day, or too many."""

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
        return datetime.combine(self.first, time(), ZoneInfo(self.zone))

    @property
    def end(self) -> datetime:
        """The moment after the last day."""
        return datetime.combine(self.last + timedelta(days=1), time(), ZoneInfo(self.zone))

    @property
    def by_week(self) -> bool:
        return (self.last - self.first).days >= MAX_SINGLE_DAYS

    def list_days(self) -> list[date]:
        """Return each day, or each Monday of a period that is shown by weeks (of the first week, the first day)."""
        days = [self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)]
        return sorted({self.shown_at(day) for day in days})

    def shown_at(self, day: date) -> date:
        """Return the day under which the numbers of `day` are shown."""
        return max(self.first, day - timedelta(days=day.weekday())) if self.by_week else day


@dataclass(frozen=True)
class CountedContracts:
    """So many contracts are alike. `step`: how long signing took, see `step_of`; None if it is not signed."""

    key: str
    state: str
    is_reached: bool
    step: int | None
    number: int


@dataclass
class ReportLine:
    """The figures of one group. `steps`: how many took how long to sign."""

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
        """How many were declined, withdrawn or signed on paper."""
        return self.issued - self.signed - self.expired - self.open

    @property
    def times(self) -> tuple[timedelta | None, ...]:
        """Median and 90th percentile of the time to sign."""
        return tuple(compute_percentile(self.steps, share) for share in SHARES)


def step_of(took: timedelta) -> int:
    """Return the step of the logarithmic scale in which this time is. The store's statement computes the same."""
    return math.floor(math.log(max(took.total_seconds(), 1.0)) * STEPS_PER_E)


def compute_percentile(steps: Mapping[int, int], share: float) -> timedelta | None:
    """Return the time within which this share of them was signed, to 3 %; None if there is none."""
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
    """Return the figures of each day of the period, or of each week, also of those without a contract."""
    found = {day: ReportLine() for day in period.list_days()}
    for each in counted:
        found[period.shown_at(date.fromisoformat(each.key))].add(each)
    return found


# ---- messages


@dataclass(frozen=True)
class CountedMessages:
    """So many messages are alike. `segments`: of all of them; a message that was not measured counts as one, and
    `unmeasured` says how many are. `reason`: why they failed, one of `channels.Failure`, if known."""

    channel: str
    provider: str | None
    state: str
    reason: str | None
    number: int
    segments: int
    unmeasured: int = 0


@dataclass(frozen=True)
class Spend:
    """What one provider took in. `cost`: at the price configured now, None if there is none."""

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


def sum_spend(messages: Iterable[CountedMessages], providers: Mapping[str, Provider]) -> list[Spend]:
    """Return what each provider took in, the most segments first. `providers`: those that are configured, by name."""
    counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for each in messages:
        if each.provider and each.state in _TAKEN:
            sums = {"messages": each.number, "segments": each.segments, "unmeasured": each.unmeasured}
            counts[each.provider, each.channel].update(sums)
    found = [_priced(key, counted, providers.get(key[0])) for key, counted in counts.items()]
    return sorted(found, key=lambda spend: (-spend.segments, spend.provider))


def _priced(key: tuple[str, str], counted: Counter[str], provider: Provider | None) -> Spend:
    price = provider.segment_cost if provider else None
    cost = None if price is None else Decimal(str(price)) * counted["segments"]
    currency = provider.currency if provider else ""
    return Spend(*key, counted["messages"], counted["segments"], counted["unmeasured"], cost, currency)


def list_undelivered(messages: Iterable[CountedMessages]) -> list[Undelivered]:
    """Return how many messages of each channel failed for which reason, the most frequent first."""
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
