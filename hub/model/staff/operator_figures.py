"""Figures for operators: how late a queue is, how many rows there are, and when these are to be counted again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# Rows are not counted more often than this.
MIN_COUNT_INTERVAL = timedelta(minutes=1)
# Counting may take this share of the time. So it becomes rarer as tables grow.
COUNTING_SHARE = 0.01


@dataclass(frozen=True)
class QueueLag:
    """What is due in one queue, by kind.

    `waiting`: number of due entries, of which only the oldest are counted. `oldest`: since when the oldest is due.
    """

    queue: str
    kind: str
    waiting: int
    oldest: datetime


@dataclass(frozen=True)
class RowCounts:
    """The rows of one table by state, counted at `counted_at`, which took `seconds`."""

    figure: str
    counts: Mapping[str, int]
    counted_at: datetime
    seconds: float


def is_count_due(last: RowCounts | None, now: datetime) -> bool:
    """Return whether the rows are to be counted again. A moment in the future was written before the clock was set
    back."""
    if last is None or last.counted_at > now:
        return True
    pause = max(MIN_COUNT_INTERVAL, timedelta(seconds=last.seconds / COUNTING_SHARE))
    return now - last.counted_at >= pause


def compute_lag(lag: QueueLag, now: datetime) -> float:
    """Return for how many seconds the oldest entry has been due."""
    return max(0.0, (now - lag.oldest).total_seconds())
