"""Receipts form a lattice: whatever their order and number, the final state is the same."""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hub.model.messaging.delivery import DeliveryState, merge_states

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
