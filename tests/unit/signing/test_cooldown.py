"""An authority that failed recently is asked last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.model.messaging.cooldown import Cooldowns

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_who_failed_is_asked_last_for_a_while_and_longer_each_time() -> None:
    cooldowns = Cooldowns()
    cooldowns.record_failure("a", NOW)
    assert cooldowns.sort_by_cooldown(["a", "b", "c"], NOW) == ["b", "c", "a"]
    assert cooldowns.sort_by_cooldown(["a"], NOW) == ["a"]
    later = NOW + timedelta(seconds=30)
    assert cooldowns.sort_by_cooldown(["a", "b"], later) == ["a", "b"]
    cooldowns.record_failure("a", later)
    assert cooldowns.is_cooling_down("a", later + timedelta(seconds=59)) and not cooldowns.is_cooling_down(
        "a", later + timedelta(seconds=60)
    )
    for _ in range(9):
        cooldowns.record_failure("a", later)
    assert not cooldowns.is_cooling_down("a", later + timedelta(minutes=10))
    cooldowns.record_success("a")
    assert not cooldowns.is_cooling_down("a", later)
