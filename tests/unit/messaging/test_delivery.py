"""Receipts form a lattice: whatever their order and number, the final state is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given, strategies as some

from hub.model.messaging.delivery import Delivery, DeliveryState, merge_states

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)

reports = some.lists(some.sampled_from(DeliveryState), min_size=1)


@given(reports, some.randoms(use_true_random=False), some.integers(1, 3))
def test_any_order_and_any_duplicates_end_in_the_same_state(
    states: list[DeliveryState], random: object, times: int
) -> None:
    shuffled = states * times
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert reduce(merge_states, shuffled, DeliveryState.SENDING) is reduce(merge_states, states, DeliveryState.SENDING)


@pytest.mark.parametrize(
    ("known", "reported", "after"),
    [
        ("unknown", "sent", "sent"),
        ("sent", "unknown", "sent"),
        ("delivered", "undelivered", "delivered"),
        ("undelivered", "delivered", "delivered"),
        ("withdrawn", "sent", "sent"),
        ("refused", "withdrawn", "refused"),
    ],
)
def test_what_says_more_wins(known: str, reported: str, after: str) -> None:
    assert merge_states(DeliveryState(known), DeliveryState(reported)) is DeliveryState(after)


@pytest.mark.parametrize(
    ("claimed", "put_off", "before", "is_free"),
    [
        (None, None, None, True),
        (0, None, None, False),
        (None, 0, None, False),
        (None, None, 5, True),
        (4, None, 5, True),
        (5, None, 5, False),
        (None, 10, 5, True),
        (None, 11, 5, False),
        (4, 11, 5, False),
    ],
)
def test_an_attempt_is_claimed_once_unless_its_claim_is_old_and_its_wait_over(
    claimed: int | None, put_off: int | None, before: int | None, is_free: bool
) -> None:
    def moment(seconds: int | None) -> datetime | None:
        return None if seconds is None else NOW + timedelta(seconds=seconds)

    attempt = Delivery(UUID(int=1), "key", "code", "sms", "+86", "text", DeliveryState.SENDING, NOW, {})
    attempt = replace(attempt, state_at=moment(claimed), not_before=moment(put_off))
    assert attempt.is_free(NOW + timedelta(seconds=10), before=moment(before)) is is_free
