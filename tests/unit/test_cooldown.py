"""Who failed rests: it is asked last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.model.messaging.cooldown import Rests

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_who_failed_is_asked_last_for_a_while_and_longer_each_time() -> None:
    rests = Rests()
    rests.failed("a", NOW)
    assert rests.in_order(["a", "b", "c"], NOW) == ["b", "c", "a"]
    assert rests.in_order(["a"], NOW) == ["a"]
    later = NOW + timedelta(seconds=30)
    assert rests.in_order(["a", "b"], later) == ["a", "b"]
    rests.failed("a", later)
    assert rests.resting("a", later + timedelta(seconds=59)) and not rests.resting("a", later + timedelta(seconds=60))
    for _ in range(9):
        rests.failed("a", later)
    assert not rests.resting("a", later + timedelta(minutes=10))
    rests.served("a")
    assert not rests.resting("a", later)
