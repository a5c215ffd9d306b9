"""One-time codes: how they are derived, and how many may be sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, strategies as some

from hub.model.signing.session import CODES_PER, code_for, compute_code_wait, hash_secret

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@given(some.uuids())
def test_a_code_is_six_digits(code: UUID) -> None:
    text = code_for(b"k" * 32, code)
    assert len(text) == 6 and text.isdigit()


def test_codes_are_spread_over_all_values() -> None:
    codes = [code_for(b"k" * 32, UUID(int=number)) for number in range(2000)]
    assert len(set(codes)) > 1990
    assert {code[0] for code in codes} == set("0123456789")


@given(some.lists(some.integers(0, 90_000), max_size=30))
def test_whoever_waits_as_long_as_told_may_have_one_and_no_budget_is_ever_broken(seconds_ago: list[int]) -> None:
    issued = [NOW - timedelta(seconds=ago) for ago in seconds_ago]
    wait = compute_code_wait(issued, NOW)
    if wait is None:
        for window, most in CODES_PER:
            assert sum(NOW - moment < window for moment in issued) < most
    else:
        assert wait > timedelta(0)
        assert compute_code_wait(issued, NOW + wait) is None


def test_a_clock_that_was_set_back_makes_nobody_wait_until_it_is_that_late_again() -> None:
    assert compute_code_wait([NOW + timedelta(hours=1)] * 10, NOW) is None
    assert compute_code_wait([NOW + timedelta(seconds=1)], NOW) == timedelta(seconds=61)  # another host's clock


def test_a_secret_leaves_only_its_hash() -> None:
    assert hash_secret("a") != hash_secret("b") and len(hash_secret("a")) == 32
