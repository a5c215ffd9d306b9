"""What a policy may contain, how it is read, and the limits on messages."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.model.reminders.may_send import SkipReason
from hub.model.reminders.policy import ReminderPolicy
from hub.model.reminders.schedule import (
    ALL_OF_TODAY,
    JUST_REMINDED,
    MESSAGE_JUST_LEFT,
    allowed_today,
    manual_reminder_allowed,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
POLICY = ReminderPolicy()
NOW = datetime(2026, 12, 1, 15, 0, tzinfo=SHANGHAI).astimezone(UTC)
MIDNIGHT = datetime(2026, 12, 2, tzinfo=SHANGHAI).astimezone(UTC)


TOO_MUCH: list[tuple[str, Any, str]] = [
    ("reminders_after", ["400d"], "within 7 days"),
    ("reminders_after", ["169h"], "within 7 days"),
    ("reminders_after", ["1d", "32d"], "at most 30 days between"),
    ("repeat_every", "31d", "at most 30 days between"),
    ("last_call_before", "60d", "at most 14 days"),
    ("last_call_before", "337h", "at most 14 days"),
    ("escalate_after", 99999, "at most 10, or staff"),
    ("escalate_after", 11, "at most 10, or staff"),
    ("escalate_within", "31d", "at most 30 days, or staff"),
    ("climbs_after", "9999d", "at most 30 days, or staff"),
    ("messages_per_day", 99999, "no limit"),
    ("messages_per_day", 11, "no limit"),
    ("manual_per_day", 11, "no limit"),
    ("manual_after_message", "25h", "at most a day"),
    ("manual_apart", "25h", "at most a day"),
]
AT_THE_BOUND = {
    "reminders_after": ["7d", "37d", "67d"],
    "repeat_every": "30d",
    "last_call_before": "14d",
    "messages_per_day": 10,
    "manual_after_message": "1d",
    "manual_apart": "1d",
    "manual_per_day": 10,
    "escalate_after": 10,
    "escalate_within": "30d",
    "climbs_after": "30d",
}


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_nothing_said_means_the_default() -> None:
    assert ReminderPolicy.from_dict({}) == POLICY


def test_everything_can_be_said() -> None:
    assert ReminderPolicy.from_dict(
        {
            "reminders_after": ["2d", "96h"],
            "repeat_every": "14d",
            "last_call_before": "3d",
            "window_opens": "08:30",
            "window_closes": time(20, 0),
            "messages_per_day": 1,
            "manual_after_message": "45m",
            "manual_apart": "20m",
            "manual_per_day": 2,
        }
    ) == ReminderPolicy(
        reminders_after=(timedelta(days=2), timedelta(days=4)),
        repeat_every=timedelta(days=14),
        last_call_before=timedelta(days=3),
        window_opens=time(8, 30),
        window_closes=time(20),
        messages_per_day=1,
        manual_after_message=timedelta(minutes=45),
        manual_apart=timedelta(minutes=20),
        manual_per_day=2,
    )


def test_a_campus_changes_only_what_it_names() -> None:
    headquarters = ReminderPolicy.from_dict({"repeat_every": "5d", "messages_per_day": 1})
    campus = ReminderPolicy.from_dict({"messages_per_day": 3}, headquarters)
    assert (campus.repeat_every, campus.messages_per_day) == (timedelta(days=5), 3)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("repeat_every", "0d", "never end"),
        ("repeat_every", "30m", "never end"),
        ("repeat_every", "-7d", "invalid duration"),
        ("repeat_every", "7", "has to be like"),
        ("repeat_every", 7, "has to be like"),
        ("repeat_every", "", "has to be like"),
        ("repeat_every", "9999999d", "invalid duration"),
        ("reminders_after", [], "at least one"),
        ("reminders_after", ["0d", "3d"], "rise by a day"),
        ("reminders_after", ["3d", "1d"], "rise by a day"),
        ("reminders_after", ["1d", "1d"], "rise by a day"),
        ("reminders_after", "1d", "a list"),
        ("last_call_before", "0h", "longer than zero"),
        ("manual_apart", "0m", "longer than zero"),
        ("manual_after_message", "0m", "longer than zero"),
        ("window_opens", "05:59", "wake people"),
        ("window_opens", "nine", "a time like"),
        ("window_opens", 9, "a time like"),
        ("window_opens", "09:00+08:00", "without a time zone"),
        ("window_closes", "23:01", "wake people"),
        ("window_closes", "02:00", "on the same day"),
        ("window_closes", "09:30", "an hour or more"),
        ("messages_per_day", 0, "at least 1"),
        ("messages_per_day", True, "whole number"),
        ("messages_per_day", "2", "whole number"),
        ("manual_per_day", 0, "at least 1"),
        ("quiet_from", "22:00", "not part of"),
        ("closed_days", ["2027-01-02"], "not part of"),
        *TOO_MUCH,
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_with_key_and_reason(key: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{key}: .*{reason}"):
        ReminderPolicy.from_dict({key: value})


def test_what_is_at_its_bound_is_taken() -> None:
    policy = ReminderPolicy.from_dict(AT_THE_BOUND)
    assert {key: policy.to_dict()[key] for key in AT_THE_BOUND} == AT_THE_BOUND


def test_a_person_gets_at_most_two_messages_a_day() -> None:
    assert [allowed_today(POLICY, sent) for sent in (0, 1, 2, 3)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("last_message", "manual", "earliest", "words"),
    [
        (None, [], NOW, ""),
        (ago(30), [], NOW, ""),
        (ago(29), [], ago(-1), MESSAGE_JUST_LEFT),
        (ago(500), [ago(10)], NOW, ""),
        (ago(500), [ago(4)], ago(-6), JUST_REMINDED),
        (ago(29), [ago(4)], ago(-6), JUST_REMINDED),
        (ago(4), [ago(4)], ago(-26), MESSAGE_JUST_LEFT),
        (ago(60), [ago(180), ago(120), ago(60)], MIDNIGHT, ALL_OF_TODAY),
        (ago(60), [ago(60), ago(120), ago(15 * 60 + 1)], NOW, ""),  # the third was yesterday
    ],
)
def test_a_reminder_by_hand_waits_for_the_limit_that_ends_last(
    last_message: datetime | None, manual: list[datetime], earliest: datetime, words: str
) -> None:
    verdict = manual_reminder_allowed(
        POLICY, now=NOW, last_message_at=last_message, manual_times_today=manual, zone=SHANGHAI
    )
    assert verdict.allowed == (earliest == NOW)
    assert verdict.earliest == max(earliest, NOW)
    assert verdict.reason == words
    assert verdict.allowed == (verdict.reason == "")


def test_the_words_in_the_ledger_are_stable() -> None:
    assert {str(reason) for reason in SkipReason} == set(
        "quiet-hours closed-day signed-meanwhile cap opted-out paused budget closed overdue no-channel phone-changed "
        "too-soon code-expired replaced".split()
    )
