"""Counting rows becomes rarer as it takes longer, and a queue is never early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.model.staff.operator_figures import QueueLag, RowCounts, compute_lag, is_count_due

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


def counted(ago: timedelta, seconds: float) -> RowCounts:
    return RowCounts("contracts", {"ISSUED": 1}, NOW - ago, seconds)


def test_rows_are_counted_at_once_and_then_once_a_minute() -> None:
    assert is_count_due(None, NOW)
    assert not is_count_due(counted(timedelta(seconds=59), 0.01), NOW)
    assert is_count_due(counted(timedelta(seconds=60), 0.01), NOW)


def test_a_count_that_takes_long_becomes_rare() -> None:
    assert not is_count_due(counted(timedelta(seconds=999), 10), NOW)
    assert is_count_due(counted(timedelta(seconds=1000), 10), NOW)


def test_a_count_of_the_future_was_written_before_the_clock_was_set_back() -> None:
    assert is_count_due(counted(timedelta(seconds=-1), 0.01), NOW)


def test_a_lag_is_never_negative() -> None:
    assert compute_lag(QueueLag("job", "alert", 1, NOW - timedelta(minutes=2)), NOW) == 120
    assert compute_lag(QueueLag("job", "alert", 1, NOW + timedelta(minutes=2)), NOW) == 0
