"""Figures for operators: the lag of queues, numbers of rows, and when to count the rows again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

# Rows are not counted more often than this.
MIN_COUNT_INTERVAL = timedelta(minutes=1)
# Counting may take this share of the time, so rows are counted less often as tables grow.
COUNTING_SHARE = 0.01
# How long after its last heartbeat a worker counts as alive. Workers send one every five seconds.
WORKER_SILENCE = timedelta(seconds=30)


@dataclass(frozen=True)
class QueueLag:
    """The due entries of one kind in one queue.

    `waiting`: the number of due entries, counted up to a limit. `oldest`: when the oldest of them became due.
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
    """Return whether to count the rows again. A last count in the future (the clock was set back) is ignored."""
    if last is None or last.counted_at > now:
        return True
    pause = max(MIN_COUNT_INTERVAL, timedelta(seconds=last.seconds / COUNTING_SHARE))
    return now - last.counted_at >= pause


def compute_lag(lag: QueueLag, now: datetime) -> float:
    """Return for how many seconds the oldest entry has been due."""
    return max(0.0, (now - lag.oldest).total_seconds())
